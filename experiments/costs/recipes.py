"""Memory of the large recipes' steps as the compiler for a TPU plans it, for several rows at a time.

    python -m experiments.costs.recipes     # some minutes a compilation; needs libtpu, and no TPU

Of each recipe the smallest and the largest micro-batch are fitted to, the one between is withheld. What is there
already is not compiled again.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from errors import InputError
from experiments import machine
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "costs" / "results" / "recipes.json"
PACKAGES = ("jax", "jaxlib", "libtpu")
TOPOLOGY = "v5e:2x2"  # the smallest that can be described; one of its devices is used
LEARNT, WORDS = 8192, 50_265  # entries that the standard library gives, and rows of the table of words with spare ones
RECIPES = {  # recipe: rows of a micro-batch, the middle one withheld
    "configs/pretrain.py:base,model=transformer": (16, 48, 64),
    "configs/pretrain.py:base,model=longformer": (2, 6, 8),
    "configs/pretrain.py:large,model=transformer": (8, 24, 32),
    "configs/pretrain.py:large,model=longformer": (1, 3, 4),
    "configs/characters.py:base,stage=1": (2, 6, 8),
    "configs/characters.py:base,stage=5": (1, 2, 3),
}


def planned(recipe: str, rows: int) -> dict[str, Any]:
    """What train.py says of one device's step with two micro-batches of `rows`.

    Raises:
      InputError: train.py refused it.
    """
    with tempfile.TemporaryDirectory() as directory:
        keys = {
            "mode": "plan",
            "workdir": directory,
            "plan.topology": TOPOLOGY,
            "mesh.data": 1,
            "train.batch_size": 2 * rows,
            "train.accumulation": 2,
            "data.source": "stdlib",
        }
        if recipe.startswith("configs/pretrain.py"):
            keys |= {"tokenizer.vocab_size": LEARNT, "model.vocab_size": WORDS}
        command = [sys.executable, "train.py", f"--config={recipe}", *(f"--config.{k}={v}" for k, v in keys.items())]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, cwd=machine.ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
        return json.loads((Path(directory) / "plan.json").read_text(encoding="utf-8"))


def main() -> int:
    report = machine.provenance("python -m experiments.costs.recipes", PACKAGES) | {"points": []}
    if OUT.exists():
        report = json.loads(OUT.read_text(encoding="utf-8"))
    there = {(point["recipe"], point["rows"]) for point in report["points"]}
    for recipe, micro_batches in RECIPES.items():
        for rows in micro_batches:
            if (recipe, rows) in there:
                continue
            try:
                plan = planned(recipe, rows)
            except InputError as error:
                print(error, file=sys.stderr)
                return 2
            report["points"].append({"recipe": recipe, "rows": rows, "withheld": rows == micro_batches[1]} | plan)
            write_json(OUT, report)
            print(recipe, rows, f"{plan['bytes'] / 2**30:.2f} GiB", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
