"""A run that is asked to end (SIGTERM) saves, leaves, and goes on as if it had never been asked."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.faults.runs import Reader, differences
from tests.training.conftest import ROOT, read_lines
from training.checkpoint import Checkpoints
from training.notice import STATUS, Notice
from training.restore import stored_scores, stored_steps

LONG = ("train.steps=90", "checkpoint.every=80", "evaluation.every=80")  # a busy machine may take many before it asks


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("whole") / "run"
    run(workdir)
    return workdir


def ends_alike(arguments, one, other, *overrides):
    return not list(differences(Reader(arguments(one, *overrides), one), one, other))


def test_sigterm_saves_the_step_at_hand_and_the_same_command_goes_on(tmp_path, run, arguments):
    run(tmp_path / "whole", *LONG)
    argv, workdir = arguments(tmp_path / "asked", *LONG), tmp_path / "asked"
    process = subprocess.Popen(
        [sys.executable, *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None
        time.sleep(0.002)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    told, errors = process.communicate(timeout=300)
    print(f"left after {time.monotonic() - began:.1f} s")
    assert (process.returncode, errors) == (STATUS, "") == (143, "")
    (step,) = stored_steps(workdir / "checkpoints")
    assert step % 80
    assert f"asked to end (SIGTERM); step {step} is saved: start the same command again to go on" in told
    run(workdir, *LONG)
    assert ends_alike(arguments, tmp_path / "whole", workdir, *LONG)


@pytest.mark.parametrize("ask", ["reached", "interrupts"])
def test_a_notice_before_or_within_an_evaluation_leaves_it_to_the_next_start(
    ask, whole, tmp_path, run, arguments, monkeypatch
):
    asked = []

    def answer(self, *step):
        asked.append(step)
        return len(asked) == {"reached": 6, "interrupts": 1}[ask]  # evaluation.every=6

    with monkeypatch.context() as patch:
        patch.setattr(Notice, ask, answer)
        with pytest.raises(SystemExit) as left:
            run(tmp_path / "run")
    assert left.value.code == STATUS
    assert stored_scores(tmp_path / "run" / "checkpoints")[6] == {}
    run(tmp_path / "run")
    assert ends_alike(arguments, whole, tmp_path / "run")
    assert stored_scores(tmp_path / "run" / "checkpoints")[12] == stored_scores(whole / "checkpoints")[12]


def test_the_scores_made_up_for_are_kept_with_their_checkpoint(tmp_path, run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Notice, "reached", lambda self, step: step == 6)
        with pytest.raises(SystemExit):
            run(tmp_path / "run")
        patch.setattr(Notice, "reached", lambda self, step: step == 7)
        with pytest.raises(SystemExit):
            run(tmp_path / "run")
    (line,) = (line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if line["split"] == "validation")
    assert line == {"step": 6, "split": "validation"} | stored_scores(tmp_path / "run" / "checkpoints")[6]


def test_a_kill_between_the_line_of_such_scores_and_their_checkpoint_leaves_one_line(
    whole, tmp_path, run, arguments, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Notice, "reached", lambda self, step: step == 6)
        with pytest.raises(SystemExit):
            run(tmp_path / "run")
        patch.setattr(Checkpoints, "add_scores", lambda self, *scores: sys.exit("killed"))
        with pytest.raises(SystemExit, match="killed"):
            run(tmp_path / "run")
    assert read_lines(tmp_path / "run" / "metrics.jsonl")[-1]["split"] == "validation"
    run(tmp_path / "run")
    assert ends_alike(arguments, whole, tmp_path / "run")


def test_sigterm_ends_the_process_the_second_time_but_not_as_an_echo_of_the_first():
    script = (
        "import os, signal, time\n"
        "from training import notice as module\n"
        "module.ECHO_SECONDS = 0.5\n"
        "with module.awaited() as notice:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(notice.reached(1), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(1)\n"
        "    print('an echo', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(5)\n"
        "    print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "True\nan echo\n")


def test_the_speed_of_a_run_is_told(whole):
    lines = [json.loads(line) for line in (whole / "speed.jsonl").read_text().splitlines()]
    last = lines[-1]
    assert sum(line.get("steps", 0) for line in lines) >= 11
    assert last["model_tflops_per_second"] > 0
    assert last["peak_host_gib"] > 0.1
    assert "mfu" not in last  # a processor's peak is in no table
