"""What is known of a point: which of its commands have ended, and how; kept in files beside the work directories.

    DIRECTORY/points/NAME/       the work directory of train.py
    DIRECTORY/state/NAME.json    its commands that have ended, with their exit status and seconds
    DIRECTORY/logs/NAME.txt      what they printed

A point is done when all of its commands have ended well. Nothing else decides what is run again, so that deleting one
state file makes its point run again (train.py goes on from the checkpoints).
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from errors import InputError
from sweeps.sweep import Command, Point
from whole_files import read_json, write_json

DONE, PRUNED, FAILED, RUNNING, STOPPED, MISSING = "done", "pruned", "failed", "running", "stopped", "missing"
TRIES, PAUSE = 10, 0.02  # before a lock is another's, and seconds between: whoever looks at one has it for an instant


@dataclass(frozen=True)
class Ended:
    """A command of a point that ended by itself."""

    command: Command
    status: int
    seconds: float


class State:
    """Of the points of one sweep. `root` is the sweep's directory, made when something is written."""

    def __init__(self, root: Path):
        self.root = root

    def log(self, point: Point) -> Path:
        return self.root / "logs" / f"{point.name}.txt"

    def ended(self, point: Point) -> list[Ended]:
        """The commands that ended, of those the point has now."""
        found = [Ended(**each) for each in self._read(point).get("ended", ())]
        return [each for each in found if each.command in point.commands]

    def add(self, point: Point, ended: Ended) -> None:
        kept = [asdict(each) for each in self.ended(point) if each.command != ended.command]
        self._write(point, {"ended": [*kept, asdict(ended)]})

    def prune(self, point: Point) -> None:
        self._write(point, {"pruned": True})

    def of(self, point: Point) -> str:
        """One of DONE, PRUNED, FAILED, RUNNING, STOPPED (it began, and its process is gone) and MISSING."""
        if self.is_held(point):
            return RUNNING
        if self._read(point).get("pruned"):
            return PRUNED
        statuses = {tuple(each.command): each.status for each in self.ended(point)}
        if any(statuses.values()):
            return FAILED
        if len(statuses) == len(point.commands):
            return DONE
        return STOPPED if point.workdir.exists() else MISSING

    def last_words(self, point: Point) -> str:
        """The last line that the point printed."""
        log = self.log(point)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def held(self, point: Point) -> contextlib.AbstractContextManager[TextIO | None]:
        """Whether the point is ours while the context lasts; not ours if another process runs it."""
        return held(self._place(point, ".lock"))

    def handed_on(self, point: Point) -> contextlib.AbstractContextManager[TextIO | None]:
        """A lock to open a command of the point with, which has it for as long as it lives, whoever started it."""
        return held(self._place(point, ".command.lock"))

    def is_held(self, point: Point) -> bool:
        """Whether somebody runs the point, or one of its commands has outlived who started it."""
        return any(is_held(self._place(point, suffix)) for suffix in (".lock", ".command.lock"))

    def _place(self, point: Point, suffix: str) -> Path:
        return self.root / "state" / f"{point.name}{suffix}"

    def _read(self, point: Point) -> dict[str, Any]:
        path = self._place(point, ".json")
        return read_json(path, remedy="delete it, and its point is run again") if path.exists() else {}

    def _write(self, point: Point, value: dict[str, Any]) -> None:
        write_json(self._place(point, ".json"), value)


@contextlib.contextmanager
def held(lock: Path, *, wait: bool = False) -> Iterator[TextIO | None]:
    """The file while it is ours, as long as the context lasts; None if another process has it, unless we `wait`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w", encoding="utf-8") as file:
        yield file if _locked(file, wait=wait) else None


def _locked(file: TextIO, *, wait: bool) -> bool:
    for left in range(1 if wait else TRIES, 0, -1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return True
        except BlockingIOError:
            time.sleep(PAUSE if left > 1 else 0)
    return False


def is_held(lock: Path) -> bool:
    """Several may look at the same time; one that takes the lock just then tries again (`TRIES`)."""
    if not lock.exists():
        return False
    with open(lock, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def scores(point: Point, split: str) -> dict[str, Any]:
    """What train.py wrote of `split` at the end; empty if it did not."""
    path = point.workdir / f"result_{split}.json"
    return read_json(path) if path.exists() else {}


def score(point: Point, split: str, metric: str) -> float:
    """Of a finished point. Raises InputError if it has none of that name; those that it has are listed."""
    found = scores(point, split)
    if not isinstance(found.get(metric), int | float):
        there = ", ".join(sorted(name for name, value in found.items() if isinstance(value, float)))
        raise InputError(f"{point.workdir}: has no score {metric!r} of {split}; it has {there or 'none'}")
    return found[metric]


def curve(point: Point, split: str, metric: str) -> list[tuple[int, float]]:
    """(step, score) of each evaluation so far; a line that is still being written is left out."""
    path = point.workdir / "metrics.jsonl"
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if told.get("split") == split and metric in told:
            found.append((told["step"], told[metric]))
    return found
