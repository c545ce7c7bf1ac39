"""A run that is killed, damaged or out of space, and started again, ends with the same bytes as one left alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from errors import InputError
from experiments.faults.runs import Reader, differences
from tests.training.conftest import ROOT
from tests.training.test_checkpoint import flip_a_bit_of_data
from training.restore import stored_scores, stored_steps
from training.run_directory import read_config


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run) -> Path:
    workdir = tmp_path_factory.mktemp("whole") / "run"
    run(workdir)
    return workdir


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture(scope="module")
def differing(arguments):
    """What differs between the ends of two runs, metrics, parameters, optimizer state, key, step and totals."""

    def compare(one: Path, other: Path, *overrides: str) -> list[str]:
        return list(differences(Reader(arguments(one, *overrides), one), one, other))

    return compare


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


@pytest.mark.slow
def test_killed_twice_and_resumed_run_equals_an_uninterrupted_one_byte_for_byte(tmp_path, run, arguments, differing):
    """The short form of experiments/faults/kill.py."""
    steps = "train.steps=60"
    run(tmp_path / "whole", steps)
    argv = arguments(tmp_path / "killed", steps)
    killed = [start_and_kill(argv, tmp_path / "killed", lines=lines, delay=0.01) for lines in (2, 9)]
    assert all(killed), "the run ended before it could be killed: make it longer"
    run(tmp_path / "killed", steps)
    assert not differing(tmp_path / "whole", tmp_path / "killed", steps)


def test_starting_a_finished_run_again_changes_nothing(whole, copy, run, differing):
    run(copy)
    assert not differing(whole, copy)


def test_a_finished_run_that_is_given_more_steps_ends_as_a_run_of_so_many(tmp_path, run, differing):
    endless = "optimizer.schedule=rsqrt"
    run(tmp_path / "whole", endless)
    run(tmp_path / "longer", endless, "train.steps=6")  # where a line, an evaluation and no checkpoint were due anyway
    run(tmp_path / "longer", endless)
    assert not differing(tmp_path / "whole", tmp_path / "longer", endless)
    assert read_config(tmp_path / "longer")["train"]["steps"] == 12
    with pytest.raises(InputError, match=r"train.steps was 12 and is 6; choose another --config.workdir or delete it"):
        run(tmp_path / "longer", endless, "train.steps=6")
    with pytest.raises(InputError, match=r"another run: data.length was 32 and is 16; choose .* or delete it"):
        run(tmp_path / "longer", endless, "train.steps=13", "data.length=16")


def test_more_steps_of_a_schedule_that_ends_are_refused_with_what_to_do(copy, run):
    with pytest.raises(InputError, match=r"train.steps was 12 and is 13; .*init_from=\S+run to begin with its weights"):
        run(copy, "train.steps=13")
    assert read_config(copy)["train"]["steps"] == 12


def test_a_resumed_run_needs_nothing_more_of_what_it_started_from(whole, tmp_path, run, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(whole, first)
    settings = (f"init_from={first}", "train.steps=2", "optimizer.warmup_steps=1", "evaluation.batches=1")
    run(second, *settings)
    assert "init_from: " in capsys.readouterr().out
    shutil.rmtree(first)
    run(second, *settings)
    assert "init_from: " not in capsys.readouterr().out


def test_what_a_run_starts_from_is_told_with_its_step_and_if_it_was_not_finished(whole, tmp_path, run, capsys):
    settings = ("train.steps=1", "optimizer.warmup_steps=0", "evaluation.batches=1")
    run(tmp_path / "second", *settings, f"init_from={whole}")
    told = "".join(capsys.readouterr())
    assert re.search(rf"init_from: \d+ parameters taken from checkpoint \d+ of {whole}\n", told)
    assert "unfinished" not in told
    shutil.copytree(whole, tmp_path / "first")
    config = json.loads((whole / "config.json").read_text())
    config["train"]["steps"] = 20
    (tmp_path / "first" / "config.json").write_text(json.dumps(config))
    run(tmp_path / "third", *settings, f"init_from={tmp_path / 'first'}")
    assert f"{tmp_path / 'first'} is unfinished: 12 of its 20 steps are made" in "".join(capsys.readouterr())


def test_another_seed_ends_elsewhere(whole, tmp_path, run, differing):
    run(tmp_path / "other", "seed=1")
    differ = differing(whole, tmp_path / "other")
    assert {"metrics.jsonl", "about", "key"} <= set(differ)
    assert any(path.startswith("params/") for path in differ)


def test_a_damaged_newest_checkpoint_costs_steps_and_not_the_result(whole, copy, run, differing, capsys):
    flip_a_bit_of_data(copy / "checkpoints" / "12" / "rest")
    run(copy)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("checkpoint")]
    newest = copy / "checkpoints" / "12"
    assert told[0].startswith(f"checkpoint 12 ({newest}) is damaged and not used: rest differs from what was saved in ")
    assert told[-1] == "checkpoint 8 is used instead"
    assert (copy / "checkpoints" / "damaged" / "12.1" / "rest").is_dir()
    assert not differing(whole, copy)


def test_evaluation_names_a_damaged_best_checkpoint_and_takes_the_next(copy, run, capsys):
    scores = stored_scores(copy / "checkpoints")
    best = min((step for step in scores if scores[step]), key=lambda step: scores[step]["loss"])
    (other,) = set(scores) - {best}
    flip_a_bit_of_data(copy / "checkpoints" / str(best) / "params")
    run(copy, "mode=evaluate")
    told = capsys.readouterr()
    assert told.err.startswith(f"checkpoint {best} (")
    assert f"validation split, checkpoint {other} of" in told.out
    assert json.loads((copy / "result_validation.json").read_text())["step"] == other
    assert stored_steps(copy / "checkpoints") == sorted(scores, reverse=True)


def test_a_full_disk_costs_no_checkpoint(whole, copy, run, arguments, differing):
    """A limit on the size of files stands for the disk; experiments/faults/full_disk.py fills a real one."""
    shutil.rmtree(copy / "checkpoints" / "12")
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    begin = f"{limit}; runpy.run_path('train.py', run_name='__main__')"
    command = [sys.executable, "-c", begin, *arguments(copy)[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith("train.py: the disk is full (")
    assert told.endswith("no checkpoint is lost: free some space and start the same command again")
    assert stored_steps(copy / "checkpoints") == [8]
    run(copy)
    assert not differing(whole, copy)
