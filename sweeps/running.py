"""Runs points: one after another, or several side by side with the devices shared out."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from sweeps.devices import Share
from sweeps.state import DONE, FAILED, PRUNED, RUNNING, STOPPED, Ended, State
from sweeps.sweep import Command, Point
from training.notice import STATUS

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
POLL_SECONDS = 0.2
TOLD_TO_END = (-signal.SIGTERM, STATUS)  # the first before train.py listens, the second once it has saved
Watch = Callable[[], bool]  # asked while a point runs: whether to give it up


class Runner:
    """Runs points of one sweep, and says of each how it ended.

    After `stop` is set (at Ctrl-C) what runs is sent SIGTERM, at which train.py saves its step; nothing new begins, and
    what was stopped goes on when the sweep is started again.
    """

    def __init__(
        self,
        state: State,
        *,
        program: Path = TRAIN,
        more: Sequence[str] = (),
        leads: bool = True,
        tell: Callable[[str], None] = print,
    ):
        """`more` is added to every command. Of several processes that run one point together, one leads: it writes."""
        self.state, self.program, self.more, self.tell = state, program, ["--config.log.progress=False", *more], tell
        self.leads, self.stop = leads, threading.Event()

    def side_by_side(self, points: Iterable[Point], shares: Sequence[Share]) -> dict[str, str]:
        """Each point's end by its name; `shares` has one for each of those that run at once."""
        points, free = list(points), SimpleQueue()
        for share in shares:
            free.put(share)

        def one(point: Point) -> str:
            share = free.get()
            try:
                return self.run(point, share)
            finally:
                free.put(share)

        with ThreadPoolExecutor(len(shares)) as pool:
            futures = {point.name: pool.submit(one, point) for point in points}
            try:
                return {name: future.result() for name, future in futures.items()}
            except BaseException:
                self.stop.set()  # before the pool waits for its threads
                raise

    def run(self, point: Point, share: Share, watch: Watch | None = None) -> str:
        """Runs the commands of `point` that have not ended well; returns how it ended, as `State.of` says."""
        with self.state.held(point) if self.leads else nullcontext(True) as ours:
            if not ours:
                self.tell(f"{point.name}: is run by another process")
                return RUNNING
            well = {tuple(each.command) for each in self.state.ended(point) if not each.status}
            start, end = time.monotonic(), STOPPED if self.stop.is_set() else DONE
            for command in point.commands:
                if end == DONE and tuple(command) not in well:
                    end = self._one(point, command, share, watch)
        why = f": {self.state.last_words(point)}" if end == FAILED else ""
        if time.monotonic() - start > POLL_SECONDS or end == FAILED:  # not of what never began
            self.tell(f"{point.name}: {end} after {time.monotonic() - start:.0f} s{why}")
        return end

    def _one(self, point: Point, command: Command, share: Share, watch: Watch | None) -> str:
        with self._alone(point) as lock, self._output(point) as out:
            if self.leads and lock is None:
                return STOPPED
            start = time.monotonic()
            with _on_cores(share.cores):
                process = subprocess.Popen(
                    [sys.executable, str(self.program), *command, *self.more],
                    stdout=out, stderr=subprocess.STDOUT, env=os.environ | share.environment, start_new_session=True,
                    pass_fds=[lock.fileno()] if lock else [],
                )  # fmt: skip
            given_up = self._wait(process, watch)
        if process.returncode in TOLD_TO_END:  # what had ended by itself has a result like any other
            if not given_up:
                return STOPPED
            self.state.prune(point)
            return PRUNED
        if self.leads:
            self.state.add(point, Ended(command, process.returncode, round(time.monotonic() - start, 1)))
        return FAILED if process.returncode else DONE

    @contextmanager
    def _alone(self, point: Point) -> Iterator[TextIO | None]:
        """The lock that a command of the point is started with; None if `stop` is set before it is free.

        Where a sweep was killed, what it ran goes on by itself with that lock, and is waited for.
        """
        told = False
        while self.leads and not self.stop.is_set():
            with self.state.handed_on(point) as lock:
                if lock:
                    yield lock
                    return
            if not told:
                self.tell(f"{point.name}: waits for its command that an earlier start of the sweep left running")
            told = True
            time.sleep(POLL_SECONDS)
        yield None

    def _output(self, point: Point) -> AbstractContextManager[Any]:
        """The point's log; of the other processes of one run, where this process prints."""
        if not self.leads:
            return nullcontext(None)
        log = self.state.log(point)
        log.parent.mkdir(parents=True, exist_ok=True)
        return open(log, "a", encoding="utf-8")

    def _wait(self, process: subprocess.Popen, watch: Watch | None) -> bool:
        """Until the process ends, by itself or because it is told to; True if `watch` gave it up."""
        given_up = False
        while True:
            try:
                process.wait(POLL_SECONDS)
                return given_up
            except subprocess.TimeoutExpired:
                given_up = watch is not None and watch()
                if given_up or self.stop.is_set():
                    process.send_signal(signal.SIGTERM)
                    process.wait()
                    return given_up


@contextmanager
def _on_cores(cores: Sequence[int]) -> Iterator[None]:
    """This thread on these alone, if any: what it starts is there from its first instruction on."""
    if not cores or not hasattr(os, "sched_setaffinity"):  # macOS has none
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
