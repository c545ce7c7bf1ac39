"""Measures a record again, and tells whether the number still holds."""

import json
import math
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import InputError, pick
from experiments.machine import ROOT
from experiments.record import Record

OURS = ("workdir", "seed", "mode", "evaluation.split")  # keys of the command that a re-check decides itself


@dataclass(frozen=True)
class Again:
    """One seed's score as recorded and as found now, which `holds` if it is within `tolerance` (relative)."""

    seed: int
    recorded: float
    found: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return math.isclose(self.found, self.recorded, rel_tol=self.tolerance)

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "HAS DRIFTED"
        return f"seed {self.seed}: {self.recorded:.6g} was recorded, {self.found:.6g} found: {verdict}"


def find(records: Sequence[Record], name: str) -> Record:
    """The record `STUDY/NAME.SPLIT.METRIC`.

    Raises:
      InputError: there is none of that name; those that are close are named.
    """
    return pick({f"{r.study}/{r.filename.removesuffix('.json')}": r for r in records}, name, key="--recheck")


def measured_again(
    record: Record, *, seeds: Sequence[int] = (), tolerance: float = 0.01, root: Path = ROOT
) -> Iterator[Again]:
    """Trains and evaluates each seed (`()`: all that are recorded) in a folder of its own that is then removed.

    Raises:
      InputError: a seed is not recorded, the tolerance is below 0, the command starts from another run's weights, or it
        fails; its last line is told.
    """
    if not tolerance >= 0:
        raise InputError(f"--tolerance={tolerance} should be 0 or more")
    recorded = dict(zip(record.seeds, record.values, strict=True))
    if unknown := [seed for seed in seeds if seed not in recorded]:
        raise InputError(f"seed {unknown[0]} is not recorded; the record has {', '.join(map(str, recorded))}")
    words = _joined(shlex.split(record.command)[2:])
    if any(word.startswith("--config.init_from=") for word in words):
        raise InputError(
            "its command starts from another run's weights (init_from); only what starts from nothing is run"
        )
    words = _without_ours(words)
    scoring = _without_ours(_joined(shlex.split(record.scored_by or record.command)[2:]))
    for seed in seeds or recorded:
        with tempfile.TemporaryDirectory() as directory:
            place = [f"--config.workdir={directory}/run", f"--config.seed={seed}"]
            _run([sys.executable, "train.py", *words, *place], root)
            place += ["--config.mode=evaluate", f"--config.evaluation.split={record.split}"]
            _run([sys.executable, "train.py", *scoring, *place], root)
            result = json.loads((Path(directory) / "run" / f"result_{record.split}.json").read_text(encoding="utf-8"))
        if record.metric not in result:
            raise InputError(f"the result has no {record.metric!r}; it has {', '.join(sorted(result))}")
        yield Again(seed, recorded[seed], result[record.metric], tolerance)


def _joined(words: Sequence[str]) -> list[str]:
    """`--KEY VALUE` and `-KEY=VALUE`, which train.py reads too, as `--KEY=VALUE`."""
    left = iter(words)
    whole = (word if "=" in word else f"{word}={next(left, '')}" for word in left)
    return [f"--{word.lstrip('-')}" for word in whole]


def _without_ours(words: Sequence[str]) -> list[str]:
    kept = [word for word in words if word.partition("=")[0] not in {f"--config.{key}" for key in OURS}]
    return [*kept, "--config.log.progress=False"]


def _run(command: Sequence[str], root: Path) -> None:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise InputError(f"{shlex.join(command)} ended with {done.returncode}: {last}")
