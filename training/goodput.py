"""Of all the time since a run was first started, the share in which it took the steps that it is made of."""

import time
from dataclasses import dataclass
from pathlib import Path

from training.journal import read_lines
from whole_files import read_json


@dataclass(frozen=True)
class Goodput:
    seconds: float  # in steps that count
    total: float  # since the first start, with all that was lost in between
    starts: int

    @property
    def share(self) -> float:
        return self.seconds / self.total

    def told(self) -> str:
        started = "once" if self.starts == 1 else f"{self.starts} times"
        return f"{self.share:.0%} of {self.total / 60:,.1f} minutes went into steps (started {started})"


def goodput(directory: Path) -> Goodput | None:
    """From speed.jsonl, whose lines a restart cuts back to its checkpoint, and environment.json; None without them.

    Starting, compiling, evaluating, saving, steps that were lost and waiting to be started again are the rest.
    """
    path = directory / "environment.json"
    starts = read_json(path) if path.exists() else []
    times = [start["time"] for start in starts if "time" in start]
    lines = [line for line in read_lines(directory / "speed.jsonl") if "step_seconds" in line]
    if not times or not lines:
        return None
    seconds = sum(line["steps"] * line["step_seconds"] for line in lines)
    return Goodput(seconds, max(time.time() - min(times), seconds), len(starts))
