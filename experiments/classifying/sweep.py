"""Each set with two seeds, and its records.

    python -m sweeps run experiments/classifying/sweep.py:clinc150 --at-once=2    # and so on for each name of SETS
    python -m experiments.classifying.sweep                                      # writes the records of what is done

Reads runs/data/NAME, which prepare.py writes. Before cola-read a masked LM of novels learns to tell sentences from
corrupted ones (corrupted.py): experiments/finetuning/sweep.py:pretrained-further, then `corrupted` here.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import pick
from experiments.collect import write_collected
from experiments.record import Published
from sweeps import Sweep

SEEDS = (0, 1)
ROOT = Path("runs/classifying")


@dataclass(frozen=True)
class Set:
    """`keys` beside those of the recipe; `metrics` are recorded, the first of them orders settings.

    `test` is another test file than that of `data`, scored by the net of the name `net`.
    """

    argument: str
    metrics: dict[str, Published | None]
    keys: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    test: str = "test"
    net: str = ""
    seeds: tuple[int, ...] = SEEDS
    splits: tuple[str, ...] = ("validation", "test")


NOISY = {  # a few thousand sentences that each say much: what is not hidden is learnt by heart
    "model.dropout_rate": 0.5,
    "masking.inputs": 0.5,
    "optimizer.weight_decay": 0.5,
    "optimizer.ema": 0.99,
}
WORD_ORDER = {  # the same words make a sentence or none, which a mean of tokens with holes in it hardly tells
    "model.pooling": "first",
    "model.depth": 2,
    "model.dropout_rate": 0.2,
    "masking.inputs": 0.0,
    "optimizer.ema": 0.98,
    "train.steps": 500,
    "evaluation.every": 50,
    "checkpoint.every": 50,
    "checkpoint.best": "matthews",
}
READER = {"model.pooling": "mean", "model.depth": 4, "masking.inputs": 0.0}
CORRUPTED = READER | {
    "init_from": "runs/finetuning/pretrained-further/points/seed=0",
    "model.dropout_rate": 0.1,
    "data.length": 48,
    "data.buckets": (16, 24, 32),
    "data.length_groups": 20,
    "optimizer.learning_rate": 5e-4,
    "train.steps": 3000,
    "evaluation.every": 250,
    "checkpoint.every": 250,
}
AFTER_CORRUPTED = WORD_ORDER | READER | {
    "init_from": f"{ROOT}/corrupted/points/seed=0",
    "optimizer.learning_rate": 3e-4,
}  # fmt: skip
LARSON = "Larson et al. 2019, table 2, {}, from memory"
BERT = "Devlin et al. 2019, table 1, BERT-base"
SETS = {
    "clinc150": Set(
        "wide",
        {
            "in_scope_accuracy": Published(value=0.912, source=LARSON.format("CNN")),
            "out_of_scope_recall": Published(value=0.189, source=LARSON.format("CNN")),
            "thresholded_in_scope_accuracy": None,
            "thresholded_out_of_scope_recall": None,
        },
        {"data.outside": "oos", "checkpoint.best": "in_scope_accuracy", "evaluation.outside_threshold": True},
    ),
    "sst2": Set(
        "narrow",
        {"accuracy": Published(value=0.935, source=BERT)},
        NOISY | {"tokenizer.vocab_size": 12000, "train.steps": 1000, "evaluation.every": 100, "checkpoint.every": 100},
    ),
    "cola": Set("narrow", {"matthews": Published(value=0.521, source=f"{BERT}, on the hidden test set")}, WORD_ORDER),
    "cola-out-of-domain": Set("narrow", {"matthews": None}, WORD_ORDER, "cola", "test_out_of_domain", "cola"),
    "corrupted": Set("narrow", {"accuracy": None}, CORRUPTED, seeds=(0,), splits=("validation",)),
    "cola-read": Set("narrow", {"matthews": None}, AFTER_CORRUPTED, "cola"),
    "cola-read-out-of-domain": Set(
        "narrow", {"matthews": None}, AFTER_CORRUPTED, "cola", "test_out_of_domain", "cola-read"
    ),
    "ag_news": Set("wide,length=128", {"accuracy": None}),
}


def get_sweep(name: str) -> Sweep:
    each = pick(SETS, name, key="what follows the colon")
    data = each.data or name
    scored = {"mode": "evaluate", "init_from": f"{ROOT}/{each.net}/points/seed={{seed}}"} if each.net else {}
    files = {split: each.test if split == "test" else split for split in ("train", *each.splits)}
    return Sweep(
        recipe=f"configs/short_texts.py:{each.argument}",
        keys={
            **{f"data.{split}": f"runs/data/{data}/{file}.jsonl" for split, file in files.items()},
            **each.keys,
            **scored,
        },
        seeds=each.seeds,
        splits=each.splits,
        metric=next(iter(each.metrics)),
        goal="max",
        directory=str(ROOT / name),
    )


def main() -> int:
    for name, each in SETS.items():
        workdirs = [point.workdir for point in get_sweep(name).points()]
        for metric, published in each.metrics.items():
            what = {"metric": metric, "split": each.splits[-1], "published": published}
            write_collected(workdirs, study="classifying", name=name, **what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
