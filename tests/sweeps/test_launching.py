"""The files that clusters read: what they ask for, that they name what is not done and nothing else."""

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from errors import InputError
from sweeps import Sweep, grid, jobset
from sweeps.__main__ import leads, main
from sweeps.slurm import ranges
from sweeps.state import Ended, State
from sweeps.sweep import load

ROOT = Path(__file__).resolve().parents[2]


def finish(sweep: Sweep, number: int) -> None:
    point = sweep.points()[number]
    point.workdir.mkdir(parents=True)
    for command in point.commands:
        State(sweep.root).add(point, Ended(command, 0, 1.0))


@pytest.fixture
def place(tmp_path):
    file = tmp_path / "rates.py"
    file.write_text(
        "from sweeps import Sweep, grid\n"
        "def get_sweep():\n"
        "    return Sweep(recipe='configs/quickstart.py', settings=grid({'model.depth': (1, 2, 3, 4, 5)}),\n"
        f"                 directory={str(tmp_path / 'Rates_1')!r})\n"
    )
    sweep = load(str(file))
    finish(sweep, 2)
    return str(file)


def printed(capsys, *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def parses(script: str) -> bool:
    return subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")


@needs_bash
def test_an_array_job_has_an_element_for_each_point_that_is_not_done(capsys, place):
    text = printed(capsys, "slurm", place, "--at-once=2", "--gpus=4", "--time=8:00:00", "--setup=. venv/bin/activate")
    lines = text.splitlines()
    assert "#SBATCH --array=0-1,3-4%2" in lines
    assert "#SBATCH --gpus-per-node=4" in lines
    assert ". venv/bin/activate" in lines
    assert f'srun python -m sweeps point {place} "$SLURM_ARRAY_TASK_ID"' in lines
    assert lines[0] == "#!/bin/bash"
    assert all(line.startswith("#") for line in lines[: [line[:3] for line in lines].index("set")])
    assert parses(text)


@needs_bash
def test_an_array_job_of_several_machines_makes_one_run_of_them(capsys, place):
    text = printed(capsys, "slurm", place, "--nodes=4", "--gpus=0", "--partition=short")
    assert '"$SLURM_ARRAY_TASK_ID" --distributed\n' in text
    assert "#SBATCH --nodes=4\n#SBATCH --ntasks-per-node=1\n" in text
    assert "gpus" not in text
    assert parses(text)


@needs_bash
@pytest.mark.parametrize(("status", "told"), [(0, ""), (1, ""), (143, "requeue 17_3\n")])
def test_a_job_whose_run_was_told_to_end_is_queued_again(capsys, place, tmp_path, status, told):
    """The script itself is run, with programs in the places of srun and scontrol."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "srun").write_text(f"#!/bin/bash\nexit {status}\n")
    (tools / "scontrol").write_text(f'#!/bin/bash\necho "$@" > {tmp_path}/told\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}
    done = subprocess.run(["bash"], input=printed(capsys, "slurm", place), text=True, env=environment)
    assert done.returncode == (0 if told else status)
    assert (tmp_path / "told").exists() == bool(told)
    if told:
        assert (tmp_path / "told").read_text() == told


def test_numbers_become_ranges():
    assert ranges([0]) == "0"
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


def test_each_point_that_is_not_done_becomes_a_jobset_of_one_slice(capsys, place, tmp_path):
    words = ["--image=registry/run:1", "--claim=runs", f"--mount={tmp_path}", "--queue=team", "--topology=4x4"]
    found = list(yaml.safe_load_all(printed(capsys, "jobset", place, *words)))
    assert [each["metadata"]["name"] for each in found] == [f"rates-1-{number}" for number in (0, 1, 3, 4)]
    assert {each["kind"] for each in found} == {"JobSet"}
    first = found[0]
    assert first["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "team"}
    (job,) = first["spec"]["replicatedJobs"]
    assert (job["template"]["spec"]["parallelism"], job["template"]["spec"]["completions"]) == (4, 4)
    pod = job["template"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4"
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "sweeps", "point", place, "0", "--distributed"]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "runs"}


@pytest.mark.parametrize(
    ("accelerator", "topology", "shape"),
    [
        ("tpu-v5-lite-podslice", "1x1", (1, 1)),
        ("tpu-v5-lite-podslice", "2x4", (8, 1)),
        ("tpu-v6e-slice", "4x4", (4, 4)),
        ("tpu-v5p-slice", "2x2x1", (4, 1)),
        ("tpu-v5p-slice", "2x2x2", (4, 2)),
        ("tpu-v4-podslice", "4x4x4", (4, 16)),
    ],
)
def test_a_topology_tells_chips_and_machines(accelerator, topology, shape):
    assert jobset.slice_shape(accelerator, topology) == shape


@pytest.mark.parametrize("topology", ["8", "2x", "0x4", "2x4x", "3x3"])
def test_a_topology_that_is_none_is_refused(topology):
    with pytest.raises(InputError, match=f"--topology={topology}"):
        jobset.slice_shape("tpu-v5p-slice", topology)


def test_a_directory_that_the_slices_do_not_share_is_refused():
    sweep = Sweep(recipe="configs/quickstart.py", settings=grid({"model.depth": (1,)}), directory="runs/sweeps/x")
    with pytest.raises(InputError, match="runs/sweeps/x should lie under --mount=/runs"):
        jobset.text(Namespace(mount="/runs"), sweep, [0])


@needs_bash
def test_a_script_for_tpu_vms_runs_what_is_not_done(capsys, place):
    text = printed(capsys, "tpu-vm", place, "--zone=us-west4-a", "--share=10.0.0.2:/share", "--machines=2", "--spot")
    assert "for number in 0 1 3 4; do" in text
    assert f"python3 -m sweeps point {place} $number --distributed" in text
    assert " --spot" in text
    assert parses(text)


def test_a_search_is_an_array_of_trials_each_on_one_machine(capsys, tmp_path):
    pytest.importorskip("optuna", reason="a Search needs Optuna")
    file = tmp_path / "rates.py"
    search = "Search(space={'model.depth': Integer(1, 3)}, trials=5)"
    made = f"Sweep(recipe='configs/quickstart.py', settings={search}, directory={str(tmp_path / 'sweep')!r})"
    file.write_text(f"from sweeps import Integer, Search, Sweep\ndef get_sweep(): return {made}\n")
    text = printed(capsys, "slurm", str(file), "--at-once=2")
    assert "#SBATCH --array=0-4%2" in text
    assert f'python -m sweeps point {file} "$SLURM_ARRAY_TASK_ID"' in text
    assert main(["slurm", str(file), "--nodes=2"]) == 2
    assert "a Search runs each trial on one machine" in capsys.readouterr().err
    assert main(["point", str(file), "0", "--distributed"]) == 2


def test_nothing_left_is_told(capsys, tmp_path):
    file = tmp_path / "rates.py"
    made = f"Sweep(recipe='configs/quickstart.py', directory={str(tmp_path)!r})"
    file.write_text(f"from sweeps import Sweep\ndef get_sweep(): return {made}\n")
    finish(load(str(file)), 0)
    assert main(["slurm", str(file)]) == 2
    assert "every point of" in capsys.readouterr().err
    assert main(["point", str(file), "1"]) == 2
    assert "there is no point 1; the sweep has 0 to 0" in capsys.readouterr().err


def test_the_first_process_of_a_job_leads():
    assert leads({"SLURM_PROCID": "0"})
    assert not leads({"TPU_WORKER_ID": "3", "JOB_COMPLETION_INDEX": "3"})
    with pytest.raises(InputError, match="none of SLURM_PROCID, TPU_WORKER_ID, JOB_COMPLETION_INDEX is set"):
        leads({})


def test_a_reader_that_has_enough_ends_a_list_without_a_complaint(place):
    command = [sys.executable, "-m", "sweeps", "commands", place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as listing:
        listing.stdout.close()  # before anything is written
        assert listing.stderr.read() == b""
    assert listing.returncode == 0
