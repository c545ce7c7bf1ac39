"""Two processes on this machine that run as one: the batches and losses of one process, and checkpoints in common."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest

from errors import InputError
from tests.test_house import ALLOWED
from tests.training.conftest import ROOT, read_lines
from tests.training.test_checkpoint import flip_a_bit_of_data
from training import cluster
from training.restore import stored_steps

MESHES = {
    "data": ("mesh.data=2",),
    "fsdp": ("mesh.data=1", "mesh.fsdp=2"),
    "tensor": ("mesh.data=1", "mesh.tensor=2"),
    "sequence": ("mesh.data=1", "mesh.sequence=2"),
}
MIXED = {  # two devices a process
    "data and fsdp": ("mesh.data=2", "mesh.fsdp=2"),
    "fsdp and tensor": ("mesh.data=1", "mesh.fsdp=2", "mesh.tensor=2"),
    "data and sequence": ("mesh.data=2", "mesh.sequence=2"),
    "tensor and sequence": ("mesh.data=1", "mesh.tensor=2", "mesh.sequence=2"),
}
MOST_SECONDS = 400  # of a machine that others use too; 20 alone


def start(argv, *, processes, devices=1):
    """The processes, each with so many devices; the first answers on a free port."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    flags = [f"--config.cluster.address={address}", f"--config.cluster.processes={processes}"] if processes > 1 else []
    return [
        subprocess.Popen(
            [sys.executable, *argv, *flags, *([f"--config.cluster.process={number}"] if flags else [])],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]


def ended(started):
    """(statuses, what each said)."""
    try:
        said = [process.communicate(timeout=MOST_SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()  # after a timeout: its pipes are closed, and it is waited for
    return [process.returncode for process in started], said


def finish(argv, **how):
    statuses, said = ended(start(argv, **how))
    assert statuses == [0] * len(statuses), "\n".join(errors[-3000:] for _, errors in said)
    return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("alone") / "run"
    run(workdir)
    return read_lines(workdir / "metrics.jsonl")


def largest_difference(lines: list[dict], want: list[dict]) -> float:
    assert [(line["step"], line["split"]) for line in lines] == [(line["step"], line["split"]) for line in want]
    pairs = [(a, b) for a, b in zip(lines, want, strict=True)]
    return max(abs(a[name] - b[name]) for a, b in pairs for name in ("loss", "gradient_norm") if name in b)


@pytest.mark.parametrize(
    "mesh", [pytest.param(name, marks=() if name == "fsdp" else pytest.mark.slow) for name in MESHES]
)
def test_two_processes_have_the_losses_of_one(mesh, alone, tmp_path, arguments):
    (told, _), (nothing, _) = finish(arguments(tmp_path / "run", *MESHES[mesh]), processes=2)
    error = largest_difference(read_lines(tmp_path / "run" / "metrics.jsonl"), alone)
    print(f"{mesh}: {error:.1e}")
    assert error < 5e-6  # seen 9e-7
    assert "what it has learned" in told
    assert "validation" not in nothing  # one speaks for all
    assert "window attention" not in nothing
    (first,) = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert (first["processes"], len(first["devices"])) == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("mesh", MIXED)
def test_two_processes_of_two_devices_have_the_losses_of_one(mesh, alone, tmp_path, arguments):
    finish(arguments(tmp_path / "run", *MIXED[mesh]), processes=2, devices=2)
    error = largest_difference(read_lines(tmp_path / "run" / "metrics.jsonl"), alone)
    print(f"{mesh}: {error:.1e}")
    assert error < 5e-6  # seen 9e-7


@pytest.mark.slow
def test_a_run_moves_from_two_processes_to_one_and_back_and_sigterm_to_one_ends_both(alone, tmp_path, arguments):
    workdir, steps = tmp_path / "run", ("train.steps=200", "optimizer.schedule=constant", "checkpoint.every=100")
    started = start(arguments(workdir, *steps), processes=2)
    wait_for_lines(workdir / "metrics.jsonl", 2, started)
    os.kill(started[1].pid, signal.SIGTERM)
    statuses, said = ended(started)
    assert statuses == [143, 143], said
    (left,) = stored_steps(workdir / "checkpoints")
    print(f"left at step {left}")
    assert left < 100
    (one,) = start(arguments(workdir, *steps), processes=1)
    wait_for_lines(workdir / "metrics.jsonl", left // 3 + 4, [one])
    os.kill(one.pid, signal.SIGTERM)
    assert ended([one])[0] == [143]
    finish(arguments(workdir, *steps, "train.steps=200"), processes=2)
    finish(arguments(tmp_path / "whole", *steps), processes=1)
    error = largest_difference(*(read_lines(tmp_path / name / "metrics.jsonl") for name in ("run", "whole")))
    print(f"moved twice: {error:.1e}")
    assert error < 1e-4  # seen 1e-6


@pytest.mark.slow
def test_two_processes_agree_that_a_checkpoint_is_damaged_and_use_the_one_before(alone, tmp_path, arguments):
    workdir = tmp_path / "run"
    finish(arguments(workdir), processes=2)
    flip_a_bit_of_data(workdir / "checkpoints" / "12" / "params")
    said = finish(arguments(workdir), processes=2)
    for _, errors in said:
        assert "checkpoint 12 (" in errors
        assert "checkpoint 8 is used instead" in errors
    error = largest_difference(read_lines(workdir / "metrics.jsonl"), alone)
    print(f"after damage: {error:.1e}")
    assert error < 5e-6  # seen 0


def wait_for_lines(path: Path, count: int, started) -> None:
    until = time.monotonic() + MOST_SECONDS
    while not (path.exists() and path.read_bytes().count(b"\n") >= count):
        assert all(process.poll() is None for process in started), [process.communicate() for process in started]
        assert time.monotonic() < until
        time.sleep(0.01)


def test_processes_that_run_different_configs_are_refused(tmp_path, arguments):
    one, other = (arguments(tmp_path / "run", f"seed={seed}") for seed in (1, 2))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = [f"--config.cluster.address=localhost:{port}", "--config.cluster.processes=2"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    started = [
        subprocess.Popen(
            [sys.executable, *argv, *flags, f"--config.cluster.process={number}"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, argv in enumerate((one, other))
    ]
    statuses, said = ended(started)
    assert 0 not in statuses
    assert re.search(r"the config of process 1 \(on \S+\) differs from that of process 0: start all", said[0][1])
    assert not (tmp_path / "run").exists()


SLURM = {"JOB_ID": os.getpid(), "STEP_NODELIST": "localhost", "NTASKS": 1, "PROCID": 0, "LOCALID": 0}
SEEN = """
import jax
from configs import defaults
from training import cluster
config = defaults.get_config()
config.cluster.address = "auto"
cluster.join(config)
print(jax.config.values["jax_cuda_visible_devices"])
"""


@pytest.mark.parametrize(("tasks", "seen"), [(1, "all"), (2, "0")])
def test_the_one_process_of_a_machine_sees_all_its_gpus_under_slurm(tasks, seen):
    """JAX gives each process one; of two on a machine each keeps that."""
    told = SLURM | {"STEP_NUM_TASKS": tasks, "STEP_NUM_NODES": 1}
    environment = os.environ | {f"SLURM_{name}": str(value) for name, value in told.items()} | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SEEN], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == seen, done.stderr


WAITS = """
import sys, time
from configs import defaults
from training import cluster
config = defaults.get_config()
config.mode = sys.argv[1]
config.cluster.update(address=sys.argv[2], processes=1, process=0)
cluster.join(config)
print("joined", flush=True)
time.sleep(3)
"""


@pytest.mark.parametrize(("mode", "status"), [("evaluate", -signal.SIGTERM), ("train", 0)])
def test_sigterm_ends_a_process_that_takes_no_steps_at_once(mode, status):
    """In training JAX listens, and a step is saved first."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", WAITS, mode, address]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "joined\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == status


@pytest.mark.slow
def test_a_plan_of_two_processes_says_that_they_are_alike(tmp_path, arguments):
    """What a person runs on a cluster before anything else."""
    (told, _), _ = finish(arguments(tmp_path / "run", "mode=plan"), processes=2)
    assert "2 processes have the same config, packages, code, devices and training data" in told
    assert "each device" in told


def test_what_differs_is_told_with_its_hosts(monkeypatch):
    def gathered(mine):
        others = np.stack([mine, mine, mine])
        others[1:, 0] ^= 1
        others[2, 32:37] = np.frombuffer(b"tpu-7", np.uint8)
        others[2, 37:] = 0
        return others

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(cluster.multihost_utils, "process_allgather", gathered)
    told = r"the code of process 1 \(on .+\), 2 \(on tpu-7\) differs from that of process 0: check out the same commit"
    with pytest.raises(InputError, match=told):
        cluster.check_alike("code", {"train.py": "ab"}, "check out the same commit")


def test_uneven_devices_are_refused(monkeypatch):
    @dataclass(frozen=True)
    class Chip:
        process_index: int
        device_kind: str

    for chips in ([Chip(0, "TPU v5e")] * 4 + [Chip(1, "TPU v5e")] * 3, [Chip(0, "TPU v5e"), Chip(1, "TPU v4")]):
        monkeypatch.setattr(jax, "devices", lambda chips=chips: chips)
        with pytest.raises(InputError, match=r"as many devices of one kind: process 0 has \d x TPU v5e, process 1"):
            cluster._check_processes(None)


def test_code_is_every_python_file_of_the_floors():
    digests = cluster._source_digests()
    assert {"train.py", "skeleton.py", "training/cluster.py", "pretrained/families/bert.py"} <= digests.keys()
    apart = {"configs", "experiments", "harness", "sweeps", "tests"}  # no run of train.py imports more of these
    assert set(cluster.FLOORS) == {floor for floor in ALLOWED if (ROOT / floor).is_dir()} - apart
