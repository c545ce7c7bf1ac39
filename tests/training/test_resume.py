"""A run that is killed and started again ends with the same bytes as one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from training.checkpoint import Checkpoints
from training.mesh import ONE_DEVICE, make_mesh, replicated

ROOT = Path(__file__).resolve().parents[2]


def final_params(workdir: Path) -> dict[str, np.ndarray]:
    checkpoints = Checkpoints(workdir / "checkpoints", keep=1, best="loss", read_only=True)
    params = checkpoints.params(checkpoints.latest(), replicated(make_mesh(ONE_DEVICE)))
    checkpoints.close()
    return jax.device_get(params)


def assert_same_end(one: Path, other: Path) -> None:
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    left, right = final_params(one), final_params(other)
    assert left.keys() == right.keys()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)


def start_and_kill(argv: list[str], workdir: Path, *, lines: int, delay: float) -> bool:
    """Starts train.py and kills it `delay` seconds after metrics.jsonl has `lines` lines; False if it had ended."""
    process = subprocess.Popen([sys.executable, *argv], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = workdir / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= lines:
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    return process.wait() == -signal.SIGKILL


def test_killed_twice_and_resumed_run_equals_an_uninterrupted_one_byte_for_byte(tmp_path, run, arguments):
    steps = "train.steps=60"
    run(tmp_path / "whole", steps)
    argv = arguments(tmp_path / "killed", steps)
    killed = [start_and_kill(argv, tmp_path / "killed", lines=lines, delay=0.01) for lines in (2, 9)]
    assert all(killed), "the run ended before it could be killed: make it longer"
    run(tmp_path / "killed", steps)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_starting_a_finished_run_again_changes_nothing(tmp_path, run):
    run(tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    run(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_another_seed_ends_elsewhere(tmp_path, run):
    run(tmp_path / "zero")
    run(tmp_path / "one", "seed=1")
    assert (tmp_path / "zero" / "metrics.jsonl").read_bytes() != (tmp_path / "one" / "metrics.jsonl").read_bytes()
    with pytest.raises(AssertionError):
        assert_same_end(tmp_path / "zero", tmp_path / "one")
