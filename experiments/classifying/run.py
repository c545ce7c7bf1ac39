"""The whole study: each set with each seed, scored on its test split, and recorded.

    python -m experiments.classifying.run     # after prepare.py

Reads runs/data/NAME, which prepare.py writes. Started again, it goes on from the last checkpoints. The last lines name
the runs that failed.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from experiments.collect import collect
from experiments.finetuning.run import Command, side_by_side
from experiments.record import Published, write_record

RUNS = Path("runs/classifying")
DATA = "runs/data"
SEEDS = (0, 1)
TEST = ["--config.mode=evaluate", "--config.evaluation.split=test"]


@dataclass(frozen=True)
class Set:
    """`keys` beside those of the recipe; `metrics` are recorded, with the published score that some have."""

    argument: str
    keys: tuple[str, ...]
    metrics: dict[str, Published | None]
    asked: tuple[str, ...] = ()  # keys of the evaluation alone


NOISY = (  # a few thousand sentences that each say much: what is not hidden is learnt by heart
    "model.dropout_rate=0.5",
    "masking.inputs=0.5",
    "optimizer.weight_decay=0.5",
    "optimizer.ema=0.99",
)
WORD_ORDER = (  # the same words make a sentence or none, which a mean of tokens with holes in it hardly tells
    "model.pooling=first",
    "model.depth=2",
    "model.dropout_rate=0.2",
    "masking.inputs=0.0",
    "optimizer.ema=0.98",
)
LARSON = "Larson et al. 2019, table 2, {}, from memory"
SETS = {
    "clinc150": Set(
        "wide",
        ("data.outside=oos", "checkpoint.best=in_scope_accuracy"),
        {
            "in_scope_accuracy": Published(value=0.912, source=LARSON.format("CNN")),
            "out_of_scope_recall": Published(value=0.189, source=LARSON.format("CNN")),
            "thresholded_in_scope_accuracy": None,
            "thresholded_out_of_scope_recall": None,
        },
        ("evaluation.outside_threshold=True",),
    ),
    "sst2": Set(
        "narrow",
        (*NOISY, "tokenizer.vocab_size=12000", "train.steps=1000", "evaluation.every=100", "checkpoint.every=100"),
        {"accuracy": Published(value=0.935, source="Devlin et al. 2019, table 1, BERT-base")},
    ),
    "cola": Set(
        "narrow",
        (*WORD_ORDER, "train.steps=500", "evaluation.every=50", "checkpoint.every=50", "checkpoint.best=matthews"),
        {"matthews": Published(value=0.521, source="Devlin et al. 2019, table 1, BERT-base, on the hidden test set")},
    ),
    "ag_news": Set("wide,length=128", (), {"accuracy": None}),
}
ELSEWHERE = {"cola-out-of-domain": ("cola", f"{DATA}/cola/test_out_of_domain.jsonl")}  # another test file of a run's


def training(name: str, seed: int) -> Command:
    each = SETS[name]
    return [
        f"--config=configs/short_texts.py:{each.argument}",
        *(f"--config.data.{split}={DATA}/{name}/{split}.jsonl" for split in ("train", "validation", "test")),
        *(f"--config.{key}" for key in each.keys),
        f"--config.seed={seed}",
        f"--config.workdir={RUNS}/{name}-{seed}",
    ]


def scoring(name: str, seed: int) -> Command:
    return [*training(name, seed), *TEST, *(f"--config.{key}" for key in SETS[name].asked)]


def scoring_elsewhere(name: str, seed: int) -> Command:
    trained, place = ELSEWHERE[name]
    own = [f"--config.init_from={RUNS}/{trained}-{seed}", f"--config.workdir={RUNS}/{name}-{seed}"]
    return [*training(trained, seed)[:-1], *own, f"--config.data.test={place}", *TEST]


def write_records() -> None:
    """One for both seeds of each set; of what is scored elsewhere one for each, since their first weights differ."""
    seeds = {name: [RUNS / f"{name}-{seed}" for seed in SEEDS] for name in SETS}
    rows = [(name, seeds[name], *pair) for name, each in SETS.items() for pair in each.metrics.items()]
    for name, (trained, _) in ELSEWHERE.items():
        places = [RUNS / f"{name}-{seed}" for seed in SEEDS]
        rows += [(place.name, [place], metric, None) for place in places for metric in SETS[trained].metrics]
    for name, workdirs, metric, published in rows:
        print(write_record(collect(workdirs, study="classifying", name=name, metric=metric, published=published)))


def main() -> int:
    failed = [
        *side_by_side([[training(name, seed), scoring(name, seed)] for name in SETS for seed in SEEDS]),
        *side_by_side([[scoring_elsewhere(name, seed)] for name in ELSEWHERE for seed in SEEDS]),
    ]
    for arguments in failed:
        print(f"failed: python train.py {arguments}", file=sys.stderr)
    if not failed:
        write_records()
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
