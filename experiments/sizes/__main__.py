"""Measures every named size at every length and writes experiments/sizes/results/models.json.

    python -m experiments.sizes                                   all; minutes of compiling
    python -m experiments.sizes --sizes=tiny --lengths=512,1024   a part

Afterwards `python -m experiments.ledger --write` puts the table into the pages.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from configs.sizes import SIZES
from errors import InputError
from experiments import machine
from experiments.sizes.measure import LENGTHS, matmul_rate, measure
from experiments.sizes.page import costs_table
from models import MODELS
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "sizes" / "results" / "models.json"
PACKAGES = ("jax", "jaxlib", "flax")


def _listed(text: str, known: tuple, kind: type) -> list:
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{text!r} should be a list like {','.join(map(str, known[:2]))}") from error
    if kind is str and (unknown := [value for value in values if value not in known]):
        raise InputError(f"there is no size {unknown[0]!r}; configs/sizes.py has {', '.join(known)}")
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="tokens")
    parser.add_argument("--seconds", type=float, default=60.0, help="time no step that should take longer")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    try:
        sizes, lengths = _listed(given.sizes, tuple(SIZES), str), _listed(given.lengths, LENGTHS, int)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    rate, costs = matmul_rate(), []
    report = machine.provenance("python -m experiments.sizes", PACKAGES) | {"matmul_rate": rate, "costs": costs}
    for size in sizes:
        for length in lengths:
            for model in MODELS:
                cost = measure(model, size, length, largest_seconds=given.seconds, flops_per_second=rate)
                costs.append(dataclasses.asdict(cost))
                write_json(given.out, report)  # after each, so that the next one may fail
                print(cost, file=sys.stderr, flush=True)
    print(costs_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
