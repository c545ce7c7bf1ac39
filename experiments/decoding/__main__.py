"""Times greedy writing of GPT-2's sizes (124 M) beside transformers with PyTorch, on a processor; results/cpu.json.

    python -m experiments.decoding --rounds=4 && python -m experiments.ledger --write

The weights are drawn by transformers and saved; each peer loads them in a process of its own with all cores, float32.
In each round every peer writes its texts in turn, so that whatever else the machine does meets both alike; ratios are
formed within a round. Needs PyTorch and transformers (requirements-dev.txt). Let nothing else run meanwhile.
"""

import argparse
import dataclasses
import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments import machine
from experiments.attention.turns import take_turns
from experiments.decoding.cases import CASES, OURS, THEIRS, Case
from experiments.decoding.page import TABLES
from experiments.speed.encoder import Worker
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "decoding" / "results" / "cpu.json"
PACKAGES = ("jax", "jaxlib", "flax", "torch", "transformers", "numpy")
QUESTIONS = {OURS: ("write", "read"), THEIRS: ("write", "read", "product")}


class WritingWorker(Worker):
    """A peer of this study."""

    module = "experiments.decoding.worker"


def measure(case: Case, *, rounds: int, warm_up: int = 1) -> dict[str, Any]:
    """Seconds of each peer and round, and the share of tokens that are the same for both."""
    starts = {name: functools.partial(WritingWorker, case, name) for name in QUESTIONS}
    results = take_turns(starts, QUESTIONS, rounds=rounds, warm_up=warm_up)
    for name, told in results.items():
        if "error" in told:
            raise RuntimeError(f"{case.name}: {name}: {told['error']}")
    ours, theirs = (np.array(told.pop("tokens")) for told in results.values())
    return case.to_json() | {"same": float((ours == theirs).mean()), "results": results}


def main() -> None:
    import torch
    import transformers

    parser = argparse.ArgumentParser(prog="python -m experiments.decoding", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file to write, after each case")
    parser.add_argument("--rounds", type=int, default=4, help="rounds per case, after one of warming up")
    given = parser.parse_args()
    measured: list[dict[str, Any]] = []
    report = machine.provenance("python -m experiments.decoding", PACKAGES) | {"cases": measured}
    with tempfile.TemporaryDirectory() as root:
        torch.manual_seed(0)
        transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(root)
        for case in CASES:
            measured.append(measure(dataclasses.replace(case, directory=root), rounds=given.rounds) | {"directory": ""})
            print(f"{case.name} measured", file=sys.stderr, flush=True)
            write_json(given.out, report)
    print(TABLES["cpu"](report))


if __name__ == "__main__":
    main()
