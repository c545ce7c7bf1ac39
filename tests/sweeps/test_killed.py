"""A sweep that was killed, and two that run beside each other: no point is run twice at a time, and none is lost."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from made_points import PROGRAM, ROOT, runner, starts, sweep

from sweeps import Sweep
from sweeps.devices import Share
from sweeps.running import Runner
from sweeps.state import DONE, RUNNING, STOPPED, State


def killed_while_it_runs(tmp_path) -> Sweep:
    """SIGKILL of the sweep itself, which leaves its command running."""
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    code = (
        "from sweeps.devices import Share\nfrom tests.sweeps.made_points import *\n"
        f"made = sweep(Path({str(tmp_path)!r}), rates=(0.3,), seeds=(0,))\n"
        "runner(made).side_by_side(made.points(), [Share()])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    point, state = made.points()[0], State(made.root)
    while not (point.workdir / "step").exists():
        assert process.poll() is None
        time.sleep(0.05)
    assert state.of(point) == RUNNING
    process.kill()
    process.wait()
    return made


def test_a_killed_sweep_goes_on(tmp_path):
    """What it ran goes on by itself, and the same command waits for that instead of starting a second one beside it."""
    made = killed_while_it_runs(tmp_path)
    point, told = made.points()[0], []
    assert State(made.root).of(point) == RUNNING
    assert Runner(State(made.root), program=PROGRAM, tell=told.append).run(point, Share()) == DONE
    assert "waits for its command that an earlier start of the sweep left running" in told[0]
    assert starts(point) == [0, 4]  # begun again when the first had come to its end, whose status nobody heard


def test_a_killed_sweep_whose_command_ended_too_is_stopped(tmp_path):
    made = killed_while_it_runs(tmp_path)
    point = made.points()[0]
    while State(made.root).of(point) == RUNNING:
        time.sleep(0.05)
    assert State(made.root).of(point) == STOPPED
    assert runner(made).run(point, Share()) == DONE


def test_a_stop_ends_the_wait_for_what_was_left_running(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    point, each = made.points()[0], runner(made)
    with each.state.handed_on(point):
        threading.Timer(0.3, each.stop.set).start()
        assert each.run(point, Share()) == STOPPED
    assert not point.workdir.exists()


def test_who_looks_whether_a_point_is_held_keeps_nobody_from_running_it(tmp_path):
    made = sweep(tmp_path, rates=(0.3,), seeds=(0,))
    point, state = made.points()[0], State(made.root)
    with state.held(point) as ours:
        lock = Path(ours.name)
    look = open(lock, encoding="utf-8")  # noqa: SIM115  (closed by the timer)
    fcntl.flock(look, fcntl.LOCK_SH)  # as is_held does for an instant
    assert not state.is_held(point)
    threading.Timer(0.05, look.close).start()
    with state.held(point) as ours:
        assert ours
        assert state.is_held(point)
