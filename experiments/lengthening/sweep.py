r"""A RoBERTa pretrained and made longer, each model trained on and scored, and the records of them all.

    python -m sweeps run experiments/lengthening/sweep.py:rows-of-64
    python -m experiments.lengthening.places 64 runs/lengthening/rows-of-64/points/seed=0/exported \
        runs/lengthening/tiled
    python -m sweeps run experiments/lengthening/sweep.py:roberta-512
    python -m pretrained.lengthen runs/lengthening/roberta-512/points/seed=0/exported runs/lengthening/longer \
        --max-positions=4096 --window=256
    python -m experiments.lengthening.places drawn runs/lengthening/longer runs/lengthening/drawn
    # then each name of TRAINED_ON and, after them, of SCORED, two seeds side by side:
    python -m sweeps run experiments/lengthening/sweep.py:longformer-4096-trained-on --at-once=2
    python -m experiments.lengthening.sweep      # writes the records of what is done

About an hour on two cores. Reads runs/data/gutenberg_novels, which experiments/finetuning/prepare.py writes.
"""

import sys
from pathlib import Path
from typing import Any

from errors import pick
from experiments.collect import write_collected
from sweeps import Sweep

Keys = dict[str, Any]

ROOT = Path("runs/lengthening")
NOVELS = "runs/data/gutenberg_novels"
TOKENS = 4096  # in each step of the further training
SHARED = {
    **{f"data.{split}": f"{NOVELS}/{split}" for split in ("train", "validation", "test")},
    "data.cache": f"{ROOT}/rows",
    "model.norm": "post",
    "model.positions": "learned",
    "model.padding_place": 1,
    "model.token_types": 1,
    "masking.unigram_bias": True,
}
SHORT = "configs/pretrain.py:tiny,model=transformer,length=512", SHARED | {"model.max_positions": 514}
LONG = (
    "configs/pretrain.py:tiny,model=longformer,length=4096",
    SHARED | {"model.max_positions": 4098, "model.windows": (256,)},
)
PRETRAINED: dict[str, Keys] = {
    "rows-of-64": {  # a net with learned places finds out what stands beside a token several times sooner in short rows
        "model.token_types": 0,  # which the export adds
        "tokenizer.vocab_size": 4096,
        "data.length": 64,
        "train.batch_size": 32,
        "train.steps": 3000,
        "optimizer.learning_rate": 2e-3,
        "optimizer.warmup_steps": 200,
        "evaluation.batch_size": 64,
        "evaluation.every": 200,
        "evaluation.batches": 10,
    },
    "roberta-512": {
        "init_from": f"{ROOT}/tiled",
        "train.steps": 2000,
        "evaluation.every": 400,
        "checkpoint.every": 400,
    },
}
TRAINED_ON = {  # net, first weights
    "longformer-4096-trained-on": (LONG, "longer"),
    "roberta-512-trained-on": (SHORT, "roberta-512/points/seed=0"),
    "longformer-4096-drawn-trained-on": (LONG, "drawn"),
}
FURTHER = {
    "optimizer.learning_rate": 5e-4,
    "optimizer.warmup_steps": 50,
    "train.steps": 500,
    "evaluation.every": 250,
    "checkpoint.every": 250,
}
ROWS_OF_512 = {"data.length": 512}
SCORED: dict[str, tuple[str, Keys]] = {  # first weights, keys
    "longformer-4096": ("longer", {}),
    "longformer-512": ("longer", ROWS_OF_512),
    "longformer-4096-drawn": ("drawn", {}),
    "longformer-512-after-4096": ("longformer-4096-trained-on/points/seed=0", ROWS_OF_512),
}
RECORDED = ("roberta-512", *TRAINED_ON, *SCORED)


def get_sweep(name: str) -> Sweep:
    pick(dict.fromkeys(("rows-of-64", *RECORDED)), name, key="what follows the colon")
    shared = {"directory": str(ROOT / name), "splits": ("validation", "test")}
    if name in PRETRAINED:
        recipe, keys = SHORT
        return Sweep(recipe=recipe, keys=keys | PRETRAINED[name], then=({"mode": "export"},), **shared)
    if name in TRAINED_ON:
        (recipe, keys), start = TRAINED_ON[name]
        rows = TOKENS // (4096 if recipe == LONG[0] else 512)
        return Sweep(
            recipe=recipe,
            keys=keys | FURTHER | {"train.batch_size": rows, "init_from": f"{ROOT}/{start}"},
            seeds=(0, 1),
            **shared,
        )
    (recipe, keys), (start, more) = LONG, SCORED[name]
    return Sweep(recipe=recipe, keys=keys | more | {"mode": "evaluate", "init_from": f"{ROOT}/{start}"}, **shared)


def main() -> int:
    for name in RECORDED:
        workdirs = [point.workdir for point in get_sweep(name).points()]
        for metric, split in (("loss", "validation"), ("accuracy", "validation"), ("loss", "test")):
            write_collected(workdirs, study="lengthening", name=name, metric=metric, split=split)
    return 0


if __name__ == "__main__":
    sys.exit(main())
