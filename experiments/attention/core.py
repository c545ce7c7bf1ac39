"""Times the attention alone (q, k and v are given), forward and forward with backward, beside its peers.

    python -m experiments.attention.core --out=experiments/attention/results/core.json

float32, one row, 12 heads of 64, one-sided window 256, no global tokens, no dropout. The peers that compute the same
band must give the same numbers, gradients too. Every peer has a process of its own and takes its turn in every round.
Needs PyTorch and transformers (requirements-dev.txt). Let nothing else run meanwhile.
"""

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments import machine
from experiments.attention.cases import CORE, SMOKE, WIDTH, Case
from experiments.attention.page import TABLES
from experiments.attention.turns import PeerWorker, take_turns
from experiments.speed.encoder import PACKAGES
from models.cost import TRAINING, band_pairs
from whole_files import write_json

PASSES = ("forward", "step")


def flops(case: Case) -> dict[str, int]:
    """Operations that the band needs; a step is a forward and a backward pass."""
    forward = 2 * 2 * case.rows * band_pairs(case.length, case.window) * WIDTH
    return {"forward": forward, "step": TRAINING * forward}


def measure(case: Case, *, rounds: int, warm_up: int = 1) -> dict[str, Any]:
    """Seconds of every peer in every round; the first peer also times the machine's matrix product.

    A peer that cannot run, or does not compute the same, is listed with its error.

    Raises:
      RuntimeError: if the first peer cannot run, or its results are not finite.
    """
    first, *_ = case.peers
    starts = {name: partial(PeerWorker, case, name) for name in case.peers}
    questions = {name: (*PASSES, "matmul") if name == first else PASSES for name in case.peers}
    results = take_turns(starts, questions, rounds=rounds, warm_up=warm_up)
    check(case, results)
    return case.to_json() | {"flops": flops(case), "results": results}


def check(case: Case, results: dict[str, dict[str, Any]]) -> None:
    """Leaves of the compared values the largest difference, as `difference`; a peer that differs loses its times."""
    first, *others = case.peers
    if "error" in results[first]:
        raise RuntimeError(f"{case.name}: {results[first]['error']}")
    if not results[first]["finite"]:
        raise RuntimeError(f"{case.name}: a result of {first} is not finite")
    right = np.asarray(results[first].pop("values"))  # [4 N]: the output and three gradients
    for name in others:
        if "error" in results[name]:
            continue
        values = np.asarray(results[name].pop("values"))
        if not results[name]["finite"]:
            results[name] = {"error": "a result is not finite"}
        elif name in case.same_values:
            difference = float((abs(values - right).max(-1) / abs(right).max(-1)).max())
            results[name]["difference"] = difference
            if difference > case.tolerance:
                results[name] = {"error": f"it differs by {difference:.1e} of the largest number"}


def report_case(measured: dict[str, Any], began: float) -> None:
    """A line on what took how long, for the one who waits."""
    told = []
    for name, result in measured["results"].items():
        if "error" not in result:
            seconds = (statistics.median(result["seconds"][each]) for each in PASSES)
            told.append(f"{name} {' / '.join(f'{each:.4f}' for each in seconds)} s")
    print(f"{measured['name']}: {', '.join(told)} ({time.perf_counter() - began:.0f} s in all)", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per case, after the warm-up")
    parser.add_argument("--only", default="", help="measure only the cases whose name holds this text")
    parser.add_argument("--smoke", action="store_true", help="one small case, one round: does everything work?")
    given = parser.parse_args()
    measured: list[dict[str, Any]] = []
    report = machine.provenance("python -m experiments.attention.core", PACKAGES) | {"cases": measured}
    for case in (case for case in (SMOKE if given.smoke else CORE) if given.only in case.name):
        began = time.perf_counter()
        measured.append(measure(case, rounds=1 if given.smoke else given.rounds))
        report_case(measured[-1], began)
        if given.out:
            write_json(given.out, report)  # after each, so that none is lost
    print(TABLES["core"](report))


if __name__ == "__main__":
    main()
