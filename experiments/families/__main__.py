"""Times forward passes and training steps of every family beside transformers with PyTorch; writes results/cpu.json.

    python -m experiments.families --rounds=5 && python -m experiments.ledger --write

Every model is drawn by transformers and saved; each peer loads it in a process of its own with all cores. A step is the
loss and the gradients of all parameters, in float32, without dropout and optimizer. In each round every peer answers in
turn, so that whatever else the machine does meets all of them alike; ratios are formed within a round. All peers must
have the same loss and the same gradient of the table of words. `--only=TEXT,TEXT` keeps the cases whose names hold one.
Needs PyTorch and transformers (requirements-dev.txt). Let nothing else run meanwhile.
"""

import argparse
import dataclasses
import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.attention.turns import take_turns
from experiments.families.cases import CASES, OURS, Case
from experiments.families.page import TABLES
from experiments.speed.encoder import Worker
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "families" / "results" / "cpu.json"
PACKAGES = ("jax", "jaxlib", "flax", "torch", "transformers", "numpy")
QUESTIONS = ("forward", "step")
CLOSE = 1e-4  # relative: losses further apart are of other models


class FamilyWorker(Worker):
    """A peer of this study."""

    module = "experiments.families.worker"


def made(case: Case, root: Path) -> Case:
    """The case with its weights in a directory below `root`."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind = getattr(transformers, case.model)
    place = root / case.name.replace(" ", "_")
    kind(kind.config_class(**case.config)).save_pretrained(place)
    return dataclasses.replace(case, directory=str(place))


def measure(case: Case, *, rounds: int, warm_up: int = 2) -> dict[str, Any]:
    """What each peer told; all of them have computed the same loss."""
    names = (OURS, *case.peers)
    starts = {name: functools.partial(FamilyWorker, case, name) for name in names}
    results = take_turns(starts, dict.fromkeys(names, QUESTIONS), rounds=rounds, warm_up=warm_up)
    if "error" in results[OURS]:
        raise RuntimeError(f"{case.name}: {results[OURS]['error']}")
    for what in ("loss", "gradient"):
        found = {name: told[what] for name, told in results.items() if "error" not in told}
        if any(abs(value / found[OURS] - 1) > CLOSE for value in found.values()):
            raise RuntimeError(f"{case.name}: the peers do not have the same {what}: {found}")
    return {"name": case.name, "model": case.model, "results": results}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.families", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file to write, after each case")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per case, after two of warming up")
    parser.add_argument("--only", default="", help="measure only the cases whose name holds one of these texts")
    given = parser.parse_args()
    measured: list[dict[str, Any]] = []
    report = machine.provenance("python -m experiments.families", PACKAGES) | {"cases": measured}
    for case in (case for case in CASES if any(part in case.name for part in given.only.split(","))):
        with tempfile.TemporaryDirectory() as root:
            measured.append(measure(made(case, Path(root)), rounds=given.rounds))
        print(f"{case.name} measured", file=sys.stderr, flush=True)
        write_json(given.out, report)
    print(TABLES["cpu"](report))


if __name__ == "__main__":
    main()
