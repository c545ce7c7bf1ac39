"""Each set with two seeds, and its records.

    python -m sweeps run experiments/classifying/sweep.py:clinc150 --at-once=2    # and so on for each name of SETS
    python -m experiments.classifying.sweep                                      # writes the records of what is done

Reads runs/data/NAME, which prepare.py writes.
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

    `test` is another test file than that of `data`, scored by the net of that name.
    """

    argument: str
    metrics: dict[str, Published | None]
    keys: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    test: str = ""


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
    "cola-out-of-domain": Set("narrow", {"matthews": None}, WORD_ORDER, data="cola", test="test_out_of_domain"),
    "ag_news": Set("wide,length=128", {"accuracy": None}),
}


def get_sweep(name: str) -> Sweep:
    each = pick(SETS, name, key="what follows the colon")
    data = each.data or name
    scored = {"mode": "evaluate", "init_from": f"{ROOT}/{data}/points/seed={{seed}}"} if each.data else {}
    return Sweep(
        recipe=f"configs/short_texts.py:{each.argument}",
        keys={
            "data.train": f"runs/data/{data}/train.jsonl",
            "data.validation": f"runs/data/{data}/validation.jsonl",
            "data.test": f"runs/data/{data}/{each.test or 'test'}.jsonl",
            **each.keys,
            **scored,
        },
        seeds=SEEDS,
        splits=("validation", "test"),
        metric=next(iter(each.metrics)),
        goal="max",
        directory=str(ROOT / name),
    )


def main() -> int:
    for name, each in SETS.items():
        workdirs = [point.workdir for point in get_sweep(name).points()]
        for metric, published in each.metrics.items():
            write_collected(workdirs, study="classifying", name=name, metric=metric, published=published)
    return 0


if __name__ == "__main__":
    sys.exit(main())
