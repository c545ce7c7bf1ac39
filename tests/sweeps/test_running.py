"""How points are run: only what is not done, side by side, stopped and gone on with."""

import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from made_points import PROGRAM, ROOT, runner, starts, sweep

from errors import InputError
from sweeps import plot, table
from sweeps.__main__ import main
from sweeps.devices import Share, divided, shares
from sweeps.running import Runner, _on_cores
from sweeps.state import DONE, FAILED, MISSING, PRUNED, RUNNING, STOPPED, Ended, State


def test_every_point_runs_all_of_its_commands_once(tmp_path):
    made = sweep(tmp_path)
    ends = runner(made).side_by_side(made.points(), [Share(), Share()])
    assert set(ends.values()) == {DONE}
    assert len(ends) == 6
    for point in made.points():
        assert starts(point) == [0]
        assert (point.workdir / "result_test.json").exists()
    assert set(runner(made).side_by_side(made.points(), [Share()]).values()) == {DONE}
    assert all(starts(point) == [0] for point in made.points())


def test_as_many_run_side_by_side_as_there_are_shares(tmp_path):
    made = sweep(tmp_path, rates=(0.1, 0.3, 0.5), seeds=(0,), splits=("validation",))
    runner(made).side_by_side(made.points(), [Share(), Share()])
    first, second, third = (
        [(point.workdir / name).stat().st_mtime for name in ("starts.txt", "result_validation.json")]
        for point in made.points()
    )
    assert second[0] < first[1]  # the second began before the first had ended
    assert third[0] > min(first[1], second[1])


def test_what_failed_is_told_and_alone_is_run_again(tmp_path):
    told, made = [], sweep(tmp_path, rates=(0.3, 2.0), seeds=(0,))
    each = Runner(State(made.root), program=PROGRAM, tell=told.append)
    good, bad = made.points()
    assert each.side_by_side(made.points(), [Share()]) == {good.name: DONE, bad.name: FAILED}
    assert re.fullmatch(r"learning_rate=2.0,seed=0: failed after \d+ s: train.py: the rate is too high", told[-1])
    assert [each.state.of(point) for point in made.points()] == [DONE, FAILED]
    assert not (bad.workdir / "result_test.json").exists()  # what comes after a failure is not begun
    each.side_by_side(made.points(), [Share()])
    assert starts(good) == [0]
    assert each.state.log(bad).read_text().count("too high") == 2


def test_a_stop_saves_what_runs_and_the_same_command_goes_on_from_there(tmp_path):
    made = sweep(tmp_path, seeds=(0,))
    each = runner(made)

    def stop_it():
        while not (made.points()[0].workdir / "step").exists():
            time.sleep(0.02)
        each.stop.set()

    threading.Thread(target=stop_it).start()
    ends = each.side_by_side(made.points(), [Share()])
    assert set(ends.values()) == {STOPPED}
    first, second, _ = made.points()
    assert each.state.of(first) == STOPPED
    assert each.state.of(second) == MISSING
    assert set(runner(made).side_by_side(made.points(), [Share()]).values()) == {DONE}
    assert len(starts(first)) == 2
    assert 0 < starts(first)[1] < 4
    assert starts(second) == [0]


def test_a_point_that_another_process_runs_is_left_to_it(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    point = made.points()[0]
    with State(made.root).held(point) as ours:
        assert ours
        assert runner(made).run(point, Share()) == RUNNING
    assert not point.workdir.exists()


def test_a_command_that_the_point_no_longer_has_makes_it_neither_done_nor_failed(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,), splits=("validation",))
    runner(made).run(made.points()[0], Share())
    more = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    assert State(more.root).of(more.points()[0]) == STOPPED
    assert runner(more).run(more.points()[0], Share()) == DONE
    assert starts(more.points()[0]) == [0]  # the training had ended and is not run again


@pytest.mark.parametrize(("last", "end"), [("time.sleep(60)", PRUNED), ("", DONE)])
def test_what_is_given_up_but_ended_by_itself_is_done(tmp_path, last, end):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,), splits=("validation",))
    begun, program = tmp_path / "begun", tmp_path / "program.py"
    ignored = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if end == DONE else ""
    wait = f"Path({str(begun)!r}).touch()\ntime.sleep(0.5)\n"
    program.write_text(f"import signal, time\nfrom pathlib import Path\n{ignored}{wait}{last}\n")
    each = Runner(State(made.root), program=program, tell=lambda line: None)
    assert each.run(made.points()[0], Share(), begun.exists) == end
    assert each.state.of(made.points()[0]) == end


def test_a_damaged_state_file_is_named(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    point = made.points()[0]
    place = made.root / "state" / f"{point.name}.json"
    place.parent.mkdir(parents=True)
    place.write_text('{"ended": [')
    with pytest.raises(InputError, match=r"seed=0.json: is not valid JSON .* delete it"):
        State(made.root).of(point)


def test_processes_that_follow_write_nothing(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    assert runner(made, leads=False).run(made.points()[0], Share()) == DONE
    assert not (made.root / "state").exists()
    assert not (made.root / "logs").exists()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be given out here")
def test_a_run_keeps_to_its_cores_and_sees_its_devices(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,), splits=("validation",))
    seen = tmp_path / "seen.py"
    seen.write_text("import os\nprint(sorted(os.sched_getaffinity(0)), os.environ['CUDA_VISIBLE_DEVICES'])\n")
    ours = os.sched_getaffinity(0)
    core = min(ours)
    each = Runner(State(made.root), program=seen, tell=lambda line: None)
    each.run(made.points()[0], Share((core,), {"CUDA_VISIBLE_DEVICES": "3"}))
    assert os.sched_getaffinity(0) == ours
    assert each.state.last_words(made.points()[0]) == f"[{core}] 3"


def test_where_cores_cannot_be_given_out_runs_share_them(monkeypatch):
    for name in ("sched_getaffinity", "sched_setaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    with _on_cores((0, 1)):
        pass


def test_devices_are_shared_out_evenly():
    assert divided(range(8), 3) == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert divided(["a"], 1) == [["a"]]


def test_gpus_chips_and_cores_are_given_out(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,5,7")
    assert [share.environment["CUDA_VISIBLE_DEVICES"] for share in shares(2)] == ["0,1", "5,7"]
    assert [share.cores for share in shares(2)] == [(0, 1), (2, 3)]
    assert shares(1) == [Share()]
    with pytest.raises(InputError, match="--at-once=5 is more than the 4 GPUs"):
        shares(5)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # as many hide all of them
    monkeypatch.setattr("sweeps.devices._tpu_chips", list)
    assert shares(2) == [Share((0, 1)), Share((2, 3))]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("sweeps.devices._tpu_chips", lambda: [str(chip) for chip in range(8)])
    first, second = shares(2)
    assert (first.environment["TPU_VISIBLE_CHIPS"], second.environment["TPU_VISIBLE_CHIPS"]) == ("0,1,2,3", "4,5,6,7")
    assert first.environment["TPU_CHIPS_PER_PROCESS_BOUNDS"] == "2,2,1"
    with pytest.raises(InputError, match=r"share of [23] TPU chips"):
        shares(3)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert shares(2) == [Share((0, 1)), Share((2, 3))]
    with pytest.raises(InputError, match="more than the 4 processor cores"):
        shares(5)


def test_the_table_has_means_over_seeds_and_the_best_first(tmp_path):
    made = sweep(tmp_path, rates=(0.1, 0.3), seeds=(0, 2))
    each = runner(made)
    each.side_by_side(made.points()[:2] + made.points()[2:3], [Share()])
    rows = table.rows_of(made)
    text = table.markdown(made, rows)
    assert text.splitlines()[2:4] == [
        "| 0.3 | 0 | 0 | 1 | 1 done, 1 missing |",
        "| 0.1 | 0.05 ± 0.014 | 0.05 ± 0.014 | 2 | 2 done |",
    ]
    assert "A model that ignores its input (nothing): 1 on test." in text
    page, sheet = table.write(made, rows)
    assert page.read_text() == text
    assert sheet.read_text().splitlines()[0] == "optimizer.learning_rate,seed,validation loss,test loss"
    assert len(sheet.read_text().splitlines()) == 4
    assert plot.draw(made, rows).stat().st_size > 10_000
    worse = sweep(tmp_path, rates=(0.1, 0.3), seeds=(0, 2), goal="max")
    assert [row.setting for row in table.rows_of(worse)] == [{"optimizer.learning_rate": r} for r in (0.1, 0.3)]


def test_a_score_that_no_run_has_is_refused_with_those_there_are(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,), metric="accuracy")
    runner(made).run(made.points()[0], Share())
    with pytest.raises(InputError, match="has no score 'accuracy' of validation; it has loss"):
        table.rows_of(made)


def scored(made, losses) -> None:
    """As if every point had run, with these scores."""
    for point, loss in zip(made.points(), losses, strict=True):
        point.workdir.mkdir(parents=True)
        for command in point.commands:
            State(made.root).add(point, Ended(command, 0, 1.0))
        for split in made.splits:
            (point.workdir / f"result_{split}.json").write_text(json.dumps({"split": split, "loss": loss}))


@pytest.mark.parametrize(("goal", "order"), [("min", (0.3, 0.5, 0.1, 0.2, 0.4)), ("max", (0.1, 0.5, 0.3, 0.2, 0.4))])
def test_scores_that_are_not_finite_come_behind_all_others(tmp_path, goal, order):
    made = sweep(tmp_path, rates=(0.1, 0.2, 0.3, 0.4, 0.5), goal=goal)
    nan = math.nan
    scored(made, (0.5, 0.5, nan, 0.2, 0.1, 0.1, math.inf, 0.1, 0.3, 0.3))
    rows = table.rows_of(made)
    assert tuple(row.setting["optimizer.learning_rate"] for row in rows) == order
    assert "| 0.2 | nan ± nan | nan ± nan | 2 | 2 done |" in table.markdown(made, rows)
    assert plot.draw(made, rows).exists()


def test_a_score_that_is_no_number_is_refused(tmp_path):
    made = sweep(tmp_path, rates=(0.1,), seeds=(0,), metric="split")
    scored(made, (0.5,))
    with pytest.raises(InputError, match="has no score 'split' of validation; it has loss"):
        table.rows_of(made)


def test_nothing_done_makes_a_table_and_no_plot(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    assert "| 0.3 | - | - | 0 | 1 missing |" in table.markdown(made, table.rows_of(made))
    assert plot.draw(made, table.rows_of(made)) is None


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_its_runs_at_a_signal_and_goes_on_when_started_again(tmp_path, sign):
    place = tmp_path / "rates.py"
    place.write_text(
        "from sweeps import Sweep, grid\n"
        "def get_sweep():\n"
        "    return Sweep(recipe='configs/quickstart.py', settings=grid({'optimizer.learning_rate': (0.1, 0.3)}),\n"
        f"                 directory={str(tmp_path / 'sweep')!r})\n"
    )
    code = (
        "import sys; from functools import partial; from pathlib import Path; from sweeps import __main__ as main\n"
        f"main.Runner = partial(main.Runner, program=Path({str(PROGRAM)!r}))\n"
        f"sys.exit(main.main(['run', {str(place)!r}]))\n"
    )
    command = [sys.executable, "-c", code]
    told = {"cwd": ROOT, "env": os.environ | {"JAX_PLATFORMS": "cpu"}, "text": True}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **told)
    while not list(tmp_path.glob("sweep/points/*/step")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(sign)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "1 missing, 1 stopped" in out
    again = subprocess.run(command, capture_output=True, **told)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "2 done"
    assert "2 of 2 points to run" in again.stdout


def test_a_full_disk_is_told_in_one_sentence(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = tmp_path / "rates.py"
    made = f"Sweep(recipe='configs/quickstart.py', directory={str(tmp_path / 'sweep')!r})"
    place.write_text(f"from sweeps import Sweep\ndef get_sweep(): return {made}\n")
    monkeypatch.setattr("sweeps.__main__.Runner.side_by_side", full)
    assert main(["run", str(place)]) == 2
    assert "sweeps: the disk is full (" in capsys.readouterr().err
