"""What the large recipes would take of accelerators, told from the prices of this study; no step of them is run.

    python -m experiments.costs.recipes                    seconds
    python -m experiments.costs.recipes --compile=v5e:2x4  also asks the compiler for some; needs libtpu, and no TPU

Afterwards `python -m experiments.ledger --write` writes the page's tables. What was compiled before is kept.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from configs.described import described
from data.masking import predictions_per_row
from data.tokenizer_training import BERT_SPECIALS
from errors import InputError
from experiments import machine
from experiments.costs.page import fitted_prices
from experiments.costs.terms import terms
from experiments.long_range import listops
from models import HEADS, MODELS
from models.build import builder
from skeleton import Skeleton
from train import model_sizes
from whole_files import write_json

RESULTS = machine.ROOT / "experiments" / "costs" / "results"
PACKAGES = ("jax", "jaxlib", "flax")
RECIPES = (  # those of at least 512 numbers a token: narrower nets fill no accelerator
    "configs/pretrain.py:base,model=transformer",
    "configs/pretrain.py:base,model=longformer",
    "configs/pretrain.py:large,model=transformer",
    "configs/pretrain.py:large,model=longformer",
    "configs/pretrain.py:base,model=longformer,further=True",
    "configs/pretrain.py:large,model=longformer,further=True",
    "configs/characters.py:base,stage=1",
    "configs/characters.py:base,stage=3",
    "configs/characters.py:base,stage=5",
    "configs/question_answering.py:base",
    "configs/question_answering.py:base,whole=4096",
    "configs/long_range.py:listops,net=transformer",
    "configs/long_range.py:listops,net=longformer",
)
ENTRIES = {"runs/data/listops": len(BERT_SPECIALS) + len(listops.WORDS)}  # of the tokenizers that recipes read
COMPILED = RECIPES[:2]  # rows of words of the standard library, so that nothing need be there but the compiler
LEARNT, WORDS = 8192, 50_265  # entries that the standard library gives, and rows of the table of words with spare ones


def counted(recipe: str) -> dict[str, Any]:
    """The recipe's steps, rows, parameters and the terms of one row; what it keeps, and in which numbers."""
    place = machine.ROOT / recipe.partition(":")[0]
    config = described(f"{place}:{recipe.partition(':')[2]}", function="get_config", what="recipe")
    kind, net = MODELS[config.model.name]
    sizes = model_sizes(config, kind, ENTRIES[path] if (path := config.tokenizer.path) else 0)
    whole = config.task in ("masked_lm", "causal_lm")  # other heads are too small to count
    build = builder(sizes, net, HEADS[config.task]) if whole else lambda rngs: net(sizes, rngs=rngs)
    parameters = Skeleton(build).parameter_count
    length = config.data.length
    predicted = {"masked_lm": predictions_per_row(config.masking.rate, length), "causal_lm": length - 1}
    has_global = config.model.name == "longformer" and config.data.global_tokens != "none" and not sizes.causal
    of_a_row = terms(
        sizes,
        rows=1,
        length=length,
        predicted=predicted.get(config.task, 0),
        global_tokens=sizes.max_global_tokens if has_global else 0,
        parameters=parameters,
    )
    return {
        "recipe": recipe,
        "model": config.model.name,
        "steps": config.train.steps,
        "rows": config.train.batch_size,
        "micro_batches": config.train.accumulation,
        "length": length,
        "depth": config.model.depth,
        "number_bytes": np.dtype(sizes.dtype).itemsize,
        "recomputed": config.model.remat == "full",
        "terms": of_a_row,
    }


def compiled(recipe: Mapping[str, Any], topology: str) -> dict[str, Any]:
    """What train.py says of one device's step, as the compiler for that slice plans it, and the rows that it takes.

    Raises:
      InputError: train.py refused it.
    """
    with tempfile.TemporaryDirectory() as directory:
        keys = {"mode": "plan", "workdir": directory, "plan.topology": topology, "data.source": "stdlib"}
        keys |= {"tokenizer.vocab_size": LEARNT, "model.vocab_size": WORDS}
        command = [
            sys.executable,
            "train.py",
            f"--config={recipe['recipe']}",
            *(f"--config.{k}={v}" for k, v in keys.items()),
        ]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, cwd=machine.ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
        plan = json.loads((Path(directory) / "plan.json").read_text(encoding="utf-8"))
    kept = ("parameters", "bytes", "devices", "kind", "compile_seconds")
    rows = recipe["rows"] // (recipe["micro_batches"] * plan["devices"])
    return {"topology": topology, "rows": rows} | {name: plan[name] for name in kept}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compile", metavar="TOPOLOGY", default="", help="a TPU slice to compile some steps for")
    parser.add_argument("--out", type=Path, default=RESULTS / "recipes.json")
    given = parser.parse_args()
    points = json.loads((RESULTS / "points.json").read_text(encoding="utf-8"))
    before = json.loads(given.out.read_text(encoding="utf-8"))["compiled"] if given.out.exists() else {}
    report = machine.provenance("python -m experiments.costs.recipes", PACKAGES)
    report |= {"prices": fitted_prices(points), "recipes": [counted(r) for r in RECIPES], "compiled": before}
    write_json(given.out, report)
    for recipe in report["recipes"] if given.compile else ():
        name = recipe["recipe"]
        if name in report["compiled"] or name not in COMPILED:
            continue
        try:
            report["compiled"][name] = compiled(recipe, given.compile)
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
        write_json(given.out, report)
        print(name, report["compiled"][name], file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
