"""Measures the steps that prices are fitted to, and those that are withheld, and writes results/points.json.

    python -m experiments.costs                       all; some 25 minutes, on a machine that does nothing else
    python -m experiments.costs --rounds=3            each shape thrice, all of them in turn, and the median counts
    python -m experiments.costs --fit=8 --withheld=2  fewer shapes of each net

Stopped, it goes on by the same command; with more than some sixty shapes LLVM may stop it, where Linux allows a process
no more pieces of memory (vm.max_map_count). Afterwards `python -m experiments.ledger --write` writes the page's tables.
"""

import argparse
import json
import random
import statistics
import sys
from pathlib import Path
from typing import Any

from errors import InputError
from experiments import machine
from experiments.costs.measure import MODELS, Shape, drawn, measured, published
from experiments.costs.page import points_table, shape_of
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "costs" / "results" / "points.json"
PACKAGES = ("jax", "jaxlib", "flax")
PUBLISHED_LENGTHS = (512, 1024)  # tokens
WITHHELD_SEED = 4  # another for each measurement: terms were settled with the errors of those before in sight
LEAST = 4  # shapes of each net: one more than the terms of its memory, since each is left out once


def planned(fit: int, withheld: int) -> list[tuple[Shape, bool]]:
    """Each shape, and whether it is withheld from the fit: those of another draw, and the published size."""
    fitted = [shape for model in MODELS for shape in drawn(model, fit, seed=0)]
    others = [shape for model in MODELS for shape in drawn(model, withheld, seed=WITHHELD_SEED)]
    others += [published(model, length) for model in MODELS for length in PUBLISHED_LENGTHS]
    return [(shape, False) for shape in fitted] + [(shape, True) for shape in others if shape not in fitted]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=int, default=22, help="shapes of each net that prices are fitted to")
    parser.add_argument("--withheld", type=int, default=4, help="further shapes of each net, beside the published ones")
    parser.add_argument("--rounds", type=int, default=1, help="times that each shape is measured")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    if given.fit < LEAST or given.withheld < 0 or given.rounds < 1:
        print(f"--fit should be {LEAST} or more, --withheld 0 or more, --rounds 1 or more", file=sys.stderr)
        return 2
    report = machine.provenance("python -m experiments.costs", PACKAGES) | {"points": []}
    if given.out.exists():
        try:
            report = _gone_on(json.loads(given.out.read_text(encoding="utf-8")), report, given.out)
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
    there = {shape_of(point): point for point in report["points"]}
    shapes = planned(given.fit, given.withheld)
    for turn in range(given.rounds):
        # In another order each time: a slow hour of the machine meets all shapes alike.
        for shape, withheld in random.Random(turn).sample(shapes, len(shapes)):
            rounds = there[shape]["rounds"] if shape in there else []
            if len(rounds) > turn:
                continue
            now = measured(shape)
            rounds = [*rounds, {name: now[name] for name in ("seconds", "beside")}]
            there[shape] = now | {"withheld": withheld, "rounds": rounds}
            report["points"] = _as_fast([there[each] for each, _ in shapes if each in there])
            write_json(given.out, report)  # after each, so that the next one may fail
            print(there[shape], file=sys.stderr, flush=True)
    print(points_table(report))
    return 0


def _as_fast(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the seconds of each: the median of its rounds, told as if the machine had been as fast as it ever was."""
    fastest = min(each["beside"] for point in points for each in point["rounds"])
    at_best = ([each["seconds"] * fastest / each["beside"] for each in point["rounds"]] for point in points)
    return [point | {"seconds": statistics.median(each)} for point, each in zip(points, at_best, strict=True)]


def _gone_on(before: dict[str, Any], now: dict[str, Any], path: Path) -> dict[str, Any]:
    """The report so far.

    Raises:
      InputError: it is of another commit or machine, or of other packages.
    """
    for key in ("commit", "cpu", "cores", "versions"):
        if before.get(key) != now[key]:
            raise InputError(f"{path} was measured with {key} {before.get(key)!r}, here it is {now[key]!r}; delete it")
    return before | {"command": now["command"]}


if __name__ == "__main__":
    sys.exit(main())
