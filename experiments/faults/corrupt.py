"""Damages the checkpoint that would be used, in random ways, and restores: never a silent load of wrong values.

    python -m experiments.faults.corrupt --cases=100 --seed=0

Every case takes fresh copies of the checkpoints of one short run, damages the newest in one and the best in the other,
and restores in this process what resuming and what evaluating would take. Right are: the values of that checkpoint,
where the damage touched nothing that matters; or those of the next one, with a line that names the damaged one. The
last cases go through train.py: its end must equal that of the run that nobody disturbed, byte for byte.
"""

import argparse
import contextlib
import dataclasses
import io
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.faults.damage import DIRECTORY, WAYS, damage_at_random, kinds_in
from experiments.faults.runs import PACKAGES, Reader, Values, arguments, differences, finish
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "faults" / "results" / "corrupt.json"
SETTINGS = ("train.steps=60", "checkpoint.every=20", "evaluation.every=20")
INTACT, FELL_BACK, WRONG, STOPPED = "the same, intact", "the next, told", "WRONG VALUES", "STOPPED"


@dataclass(frozen=True)
class Road:
    """A way to take values from a directory of checkpoints, and what it should give."""

    take: Callable[[Path], tuple[Values, int]]
    moves: bool  # damaged checkpoints aside
    true: dict[int, Values]  # by step, the one that is taken first to the last

    @classmethod
    def over(cls, checkpoints: Path, take: Callable[[Path], tuple[Values, int]], *, moves: bool) -> "Road":
        true: dict[int, Values] = {}
        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(checkpoints, Path(scratch) / "checkpoints")
            while any(path.name.isdecimal() for path in copy.iterdir()):
                values, step = take(copy)
                true[step] = values
                shutil.rmtree(copy / str(step))
        return cls(take, moves, true)

    def damaged(self, checkpoints: Path, rng: random.Random, *, way: str, kind: str) -> dict[str, Any]:
        """What was done to a copy, how the restore ended, and what it said."""
        first, second = list(self.true)[:2]
        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(checkpoints, Path(scratch) / "checkpoints")
            damage = damage_at_random(copy / str(first), rng, way=way, kind=kind)
            before = sorted(copy.rglob("*"))
            ended, told = self._outcome(copy, first, second)
            if ended == FELL_BACK and self.moves != (copy / "damaged" / str(first)).with_suffix(".1").exists():
                ended = STOPPED
            if not self.moves and sorted(copy.rglob("*")) != before:
                ended, told = STOPPED, "files were moved"
            return dataclasses.asdict(damage) | {"outcome": ended, "said": told.replace(f"{scratch}/", "")}

    def _outcome(self, copy: Path, first: int, second: int) -> tuple[str, str]:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                values, step = self.take(copy)
            except Exception as error:  # whatever it is, the run would have ended with it
                return STOPPED, f"{type(error).__name__}: {error}"
        lines = said.getvalue().splitlines()
        told = next((line for line in lines if line.startswith(f"checkpoint {first} ({copy / str(first)}) is ")), "")
        if values != self.true[step]:
            return WRONG, told
        if step == first:
            return INTACT, told
        return (FELL_BACK if step == second and told else STOPPED), told


def plan(kinds: list[str], count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Pairs of a way and a kind of file in random order, each as often as any other; what decides values, thrice."""
    often = [kind for kind in kinds if kind == "about" or kind.startswith("arrays")]
    pairs = [(way, kind) for way in WAYS for kind in (*kinds, *often, *often)] + [(DIRECTORY, "directory")] * 10
    deck: list[tuple[str, str]] = []
    for _ in range(count):
        deck = deck or rng.sample(pairs, len(pairs))
        yield deck.pop()


def restores(reader: Reader, checkpoints: Path, count: int, rng: random.Random) -> list[dict[str, Any]]:
    roads = {
        "resuming": Road.over(checkpoints, reader.resumed, moves=True),
        "evaluating": Road.over(checkpoints, reader.evaluated, moves=False),
    }
    kinds = kinds_in(next(path for path in checkpoints.iterdir() if path.name.isdecimal()))
    return [
        {"road": name} | road.damaged(checkpoints, rng, way=way, kind=kind)
        for way, kind in plan(kinds, count, rng)
        for name, road in roads.items()
    ]


def through_train(reader: Reader, run: Path, count: int, rng: random.Random) -> list[dict[str, Any]]:
    """The same command after a damage to the newest checkpoint; what differs from the undisturbed run's end."""
    cases = []
    for way, kind in plan(["arrays of params", "arrays of rest", "about"], count, rng):
        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(run, Path(scratch) / "run")
            newest = max(int(path.name) for path in (copy / "checkpoints").iterdir() if path.name.isdecimal())
            damage = damage_at_random(copy / "checkpoints" / str(newest), rng, way=way, kind=kind)
            said = finish(arguments(copy, *SETTINGS), Path(scratch) / "log").replace(f"{scratch}/", "")
            told = [line for line in said.splitlines() if line.startswith("checkpoint ")]
            cases.append(dataclasses.asdict(damage) | {"said": told, "differs": list(differences(reader, run, copy))})
    return cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--train-cases", type=int, default=4, help="further ones, through train.py")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    for name in ("absl", "asyncio"):  # as train.py does
        logging.getLogger(name).setLevel(logging.CRITICAL)
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        finish(arguments(run, *SETTINGS), Path(scratch) / "log")
        reader = Reader(arguments(run, *SETTINGS), run)
        cases = restores(reader, run / "checkpoints", given.cases, rng)
        train_cases = through_train(reader, run, given.train_cases, rng)
    report = machine.provenance("python -m experiments.faults.corrupt", PACKAGES)
    write_json(given.out, report | {"seed": given.seed, "cases": cases, "train_cases": train_cases})
    counts = Counter(case["outcome"] for case in cases)
    alike = sum(not case["differs"] for case in train_cases)
    print(dict(counts), f"and through train.py {alike} of {len(train_cases)} as if undisturbed")
    return int(bool(counts[WRONG] or counts[STOPPED]) or alike < len(train_cases))


if __name__ == "__main__":
    sys.exit(main())
