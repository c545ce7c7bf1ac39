"""The files that clusters read: what they ask for, that they name what is not done and nothing else."""

import functools
import os
import re
import shlex
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
from sweeps.jobset import EXCLUSIVE
from sweeps.running import Runner
from sweeps.slurm import ranges
from sweeps.state import Ended, State
from sweeps.sweep import cloud_name, load

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
    assert f'srun --cpus-per-task=8 python -m sweeps point {place} "$SLURM_ARRAY_TASK_ID"' in lines
    assert lines[0] == "#!/bin/bash"
    assert all(line.startswith("#") for line in lines[: lines.index(". venv/bin/activate")])
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
    text = printed(capsys, "slurm", place, "--setup=: $NO_SUCH_VARIABLE")  # as what conda and modules put there reads
    done = subprocess.run(["bash"], input=text, text=True, env=environment)
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
    assert first["metadata"]["annotations"] == {EXCLUSIVE: "cloud.google.com/gke-nodepool"}
    (alone, *_) = yaml.safe_load_all(printed(capsys, "jobset", place, *words, "--topology=2x4"))
    assert alone["metadata"]["annotations"] == {}  # a pool of such machines holds many slices
    assert first["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "team"}
    (job,) = first["spec"]["replicatedJobs"]
    assert (job["template"]["spec"]["parallelism"], job["template"]["spec"]["completions"]) == (4, 4)
    pod = job["template"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4"
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "sweeps", "point", place, "0", "--distributed"]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "runs"}


def test_a_jobset_is_not_started_again_for_what_would_end_the_same_way(capsys, place, tmp_path):
    (one, *_) = yaml.safe_load_all(printed(capsys, "jobset", place, "--image=i", "--claim=c", f"--mount={tmp_path}"))
    assert one["spec"]["failurePolicy"]["rules"] == [
        {"name": "lasts", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}
    ]
    (job,) = one["spec"]["replicatedJobs"]
    (rule,) = job["template"]["spec"]["podFailurePolicy"]["rules"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert rule["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [2]}


@pytest.mark.parametrize(("ended", "status"), [(2, 2), (1, 1), (0, 0)])
def test_a_point_ends_as_its_command_where_that_lasts(ended, status, place, tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(f"raise SystemExit({ended})")
    monkeypatch.setattr("sweeps.__main__.Runner", functools.partial(Runner, program=program))
    assert main(["point", place, "0"]) == status


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


def test_a_topology_of_another_accelerator_is_refused():
    with pytest.raises(InputError, match="a topology of tpu-v5-lite-podslice has 2 sides"):
        jobset.slice_shape("tpu-v5-lite-podslice", "2x2x2")
    with pytest.raises(InputError, match="there are no machines of 3 chips"):
        jobset.slice_shape("tpu-v6e-slice", "1x3")


@pytest.mark.parametrize("topology", ["8", "2x", "0x4", "2x4x", "3x3"])
def test_a_topology_that_is_none_is_refused(topology):
    with pytest.raises(InputError, match=f"--topology={topology}"):
        jobset.slice_shape("tpu-v5p-slice", topology)


def test_a_directory_that_the_slices_do_not_share_is_refused():
    sweep = Sweep(recipe="configs/quickstart.py", settings=grid({"model.depth": (1,)}), directory="runs/sweeps/x")
    with pytest.raises(InputError, match="runs/sweeps/x should lie under --mount=/runs"):
        jobset.text(Namespace(mount="/runs"), sweep, [0])


GCLOUD = """#!/bin/bash
echo "$4" >> {0}/done
for word in "$@"; do case "$word" in
    --command=*"$FAILS"*) [ -z "$FAILS" ] || exit 1 ;;&
    --command=*) echo "${{word#--command=}}" >> {0}/commands ;;
esac; done
if [ "$4" = describe ]; then echo READY; fi
"""


def run_for_tpu_vms(tmp_path, script: str, *, fails: str = "") -> tuple[int, list[str], list[str]]:
    """The script's status, what it asked of gcloud and what it had run, with a program in gcloud's place."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gcloud").write_text(GCLOUD.format(tools))
    (tools / "gcloud").chmod(0o755)
    (tools / "commands").touch()
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "FAILS": fails}
    done = subprocess.run(["bash"], input=script, text=True, env=environment, cwd=tmp_path)
    return done.returncode, *((tools / name).read_text().splitlines() for name in ("done", "commands"))


@needs_bash
def test_a_script_for_tpu_vms_runs_what_is_not_done(capsys, place, tmp_path):
    text = printed(capsys, "tpu-vm", place, "--zone=us-west4-a", "--share=10.0.0.2:/share", "--machines=2", "--spot")
    assert " --spot" in text
    status, asked, commands = run_for_tpu_vms(tmp_path, text)
    assert (status, asked) == (0, ["create", *["ssh"] * 6, "delete"])
    assert "sudo mount 10.0.0.2:/share /mnt/share" in commands[0]
    assert commands[1].endswith('"jax[tpu]==$($HOME/venv/bin/python -c "import jax; print(jax.__version__)")"')
    assert parses(commands[1])
    assert "~" not in commands[1]  # bash leaves the one of --python=~/venv as it is
    for number, command in zip((0, 1, 3, 4), commands[2:], strict=True):
        run, _, point = command.partition(") ")
        assert run.startswith("cd /mnt/share && SWEEP_PROCESS=$(curl ")
        assert run.endswith("/agent-worker-number")
        assert point == f"$HOME/venv/bin/python -m sweeps point {place} {number} --distributed"


@needs_bash
@pytest.mark.parametrize(
    ("fails", "asked"), [("apt-get", ["create", "ssh", "delete"]), ("point", [*["ssh", "describe"] * 4, "delete"])]
)
def test_a_tpu_vm_is_removed_and_a_failure_told_whatever_fails(capsys, place, tmp_path, fails, asked):
    text = printed(capsys, "tpu-vm", place, "--zone=us-west4-a", "--share=10.0.0.2:/share")
    status, done, _ = run_for_tpu_vms(tmp_path, text, fails=fails)
    assert status == 1
    assert done[-len(asked) :] == asked


@needs_bash
def test_odd_places_are_quoted_for_whoever_reads_them(capsys, tmp_path):
    """Blanks, quotes, a program for the shell and signs of SLURM's own, in the names of the file and the directory."""
    folder = tmp_path / "my $(touch stolen) 100%"
    folder.mkdir()
    file = folder / 'ra"tes.py'
    made = f"Sweep(recipe='configs/quickstart.py', directory={str(folder / 'My sweep.v2')!r})"
    file.write_text(f"from sweeps import Sweep\ndef get_sweep(argument): return {made}\n")
    place = f"{file}:it's"
    lines = printed(capsys, "slurm", place).splitlines()
    assert "#SBATCH --job-name='My sweep.v2'" in lines
    assert f"#SBATCH --output='{folder}%/My sweep.v2/logs/slurm-%a.txt'" in lines
    text = printed(capsys, "tpu-vm", place, "--zone=z", "--share=10.0.0.2:/my share")
    assert "name=sweep-my-sweep-v2\n" in text
    status, _, commands = run_for_tpu_vms(tmp_path, text)
    assert status == 0
    assert shlex.split(commands[0])[-3:] == ["mount", "10.0.0.2:/my share", "/mnt/share"]
    assert shlex.split(commands[2])[-5:] == ["-m", "sweeps", "point", place, "0"]
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Rates_1", "rates-1"),
        ("2024_rates", "sweep-2024-rates"),
        ("rate=0.1.", "rate-0-1"),
        ("x" * 50, "x" * 31 + "-77cf1206"),
        ("\N{CJK UNIFIED IDEOGRAPH-66F8}", "sweep-d48e61f5"),
    ],
)
def test_names_are_those_that_clouds_allow(text, name):
    assert re.fullmatch("[a-z][-a-z0-9]{0,38}[a-z0-9]", name)
    assert cloud_name(text, longest=40) == name


@pytest.mark.parametrize("option", ["--claim=my runs", "--queue=Team", "--namespace="])
def test_a_name_that_kubernetes_refuses_is_refused(capsys, place, tmp_path, option):
    words = ["--image=i", "--claim=runs", f"--mount={tmp_path}", option]
    assert main(["jobset", place, *words]) == 2
    assert f"{option} should be lower-case letters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("launcher", "option"),
    [("slurm", "--nodes=0"), ("slurm", "--gpus=-1"), ("slurm", "--at-once=-1"), ("tpu-vm", "--machines=0")],
)
def test_a_number_that_is_none_is_refused(capsys, place, launcher, option):
    needed = ["--zone=z", "--share=s:/p"] if launcher == "tpu-vm" else []
    assert main([launcher, place, *needed, option]) == 2
    assert f"{option} should be at least" in capsys.readouterr().err


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
    assert leads({"SWEEP_PROCESS": "0"})
    with pytest.raises(InputError, match=r"none of SWEEP_PROCESS, SLURM_PROCID, .*INDEX is set"):
        leads({"SWEEP_PROCESS": ""})


def test_a_reader_that_has_enough_ends_a_list_without_a_complaint(place):
    command = [sys.executable, "-m", "sweeps", "commands", place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as listing:
        listing.stdout.close()  # before anything is written
        assert listing.stderr.read() == b""
    assert listing.returncode == 0
