"""The whole study: a RoBERTa pretrained and made longer, each model trained on, scored, and recorded.

    python -m experiments.lengthening.run     # about an hour on two cores

Reads runs/data/gutenberg_novels, which experiments/finetuning/prepare.py writes. Started again, it goes on from the
last checkpoints. The last lines name the commands that failed.
"""

import subprocess
import sys
from pathlib import Path

from experiments.collect import collect
from experiments.finetuning.run import Command, side_by_side
from experiments.record import write_record

RUNS = Path("runs/lengthening")
ROWS_OF_64, TILED, ORIGINAL, LONGER, DRAWN = (
    RUNS / name for name in ("rows-of-64", "tiled", "original", "longer", "drawn")
)
SEEDS = (0, 1)
NOVELS = "runs/data/gutenberg_novels"
SHARED = [
    *(f"--config.data.{split}={NOVELS}/{split}" for split in ("train", "validation", "test")),
    *(
        f"--config.model.{setting}"
        for setting in ("norm=post", "positions=learned", "padding_place=1", "token_types=1")
    ),
    "--config.masking.unigram_bias=true",
    f"--config.data.cache={RUNS}/rows",
]
SHORT = ["--config=configs/pretrain.py:tiny,model=transformer,length=512", *SHARED, "--config.model.max_positions=514"]
LONG = [
    "--config=configs/pretrain.py:tiny,model=longformer,length=4096",
    *SHARED,
    *(f"--config.model.{setting}" for setting in ("max_positions=4098", "windows=(256,)")),
]
FIRST = [  # a net with learned places finds out what stands beside a token several times sooner in short rows
    *SHORT,
    "--config.model.token_types=0",  # which the export adds
    f"--config.workdir={ROWS_OF_64}",
    "--config.tokenizer.vocab_size=4096",
    *(f"--config.{key}" for key in ("data.length=64", "train.batch_size=32", "evaluation.batch_size=64")),
    *(f"--config.optimizer.{setting}" for setting in ("learning_rate=2e-3", "warmup_steps=200")),
    *(f"--config.{key}" for key in ("train.steps=3000", "evaluation.every=200", "evaluation.batches=10")),
]
PRETRAINING = [
    *SHORT,
    f"--config.workdir={ORIGINAL}",
    f"--config.init_from={TILED}",
    *(f"--config.{key}" for key in ("train.steps=2000", "evaluation.every=400", "checkpoint.every=400")),
]
TOKENS = 4096  # in each step of the further training
TRAINED_ON = {  # name, net, first weights
    "longformer-4096-trained-on": (LONG, LONGER),
    "roberta-512-trained-on": (SHORT, ORIGINAL),
    "longformer-4096-drawn-trained-on": (LONG, DRAWN),
}
ROWS_OF_512 = ["--config.data.length=512"]
SCORED = {  # likewise
    "longformer-4096": (LONG, LONGER),
    "longformer-512": ([*LONG, *ROWS_OF_512], LONGER),
    "longformer-4096-drawn": (LONG, DRAWN),
    "longformer-512-after-4096": ([*LONG, *ROWS_OF_512], RUNS / "longformer-4096-trained-on-0"),
}
VALIDATION, TEST = (["--config.mode=evaluate", f"--config.evaluation.split={name}"] for name in ("validation", "test"))


def further_training(name: str, seed: int) -> Command:
    net, start = TRAINED_ON[name]
    return [
        *net,
        f"--config.init_from={start}",
        f"--config.train.batch_size={TOKENS // (4096 if net is LONG else 512)}",
        *(f"--config.optimizer.{setting}" for setting in ("learning_rate=5e-4", "warmup_steps=50")),
        *(f"--config.{key}" for key in ("train.steps=500", "evaluation.every=250", "checkpoint.every=250")),
        f"--config.seed={seed}",
        f"--config.workdir={RUNS}/{name}-{seed}",
    ]


def scoring(name: str) -> Command:
    net, weights = SCORED[name]
    return [*net, f"--config.init_from={weights}", f"--config.workdir={RUNS}/{name}"]


def make_models() -> bool:
    """The two pretrainings, and the models made of them; whether all went well."""
    train, places, export = ["train.py"], ["-m", "experiments.lengthening.places"], "--config.mode=export"
    first, original = ROWS_OF_64 / "exported", ORIGINAL / "exported"
    lengthen = ["-m", "pretrained.lengthen", str(original), str(LONGER), "--max-positions=4096", "--window=256"]
    commands = [
        (first, [*train, *FIRST]),
        (first, [*train, *FIRST, export]),
        (TILED, [*places, "64", str(first), str(TILED)]),
        (original, [*train, *PRETRAINING]),
        (original, [*train, *PRETRAINING, export]),
        (LONGER, lengthen),
        (DRAWN, [*places, "drawn", str(LONGER), str(DRAWN)]),
    ]
    missing = [command for made, command in commands if not made.exists()]
    return all(subprocess.run([sys.executable, *command]).returncode == 0 for command in missing)


def write_records() -> None:
    runs = {"roberta-512": [ORIGINAL], **{name: [RUNS / name] for name in SCORED}}
    runs |= {name: [RUNS / f"{name}-{seed}" for seed in SEEDS] for name in TRAINED_ON}
    for name, workdirs in runs.items():
        for metric, split in (("loss", "validation"), ("accuracy", "validation"), ("loss", "test")):
            print(write_record(collect(workdirs, study="lengthening", name=name, metric=metric, split=split)))


def main() -> int:
    if not make_models():
        return 1
    tunings = [further_training(name, seed) for name in TRAINED_ON for seed in SEEDS]
    failed = [*side_by_side([[tuning, [*tuning, *TEST]] for tuning in tunings])]
    scores = [[[*scoring(name), *VALIDATION], [*scoring(name), *TEST]] for name in SCORED]
    failed += side_by_side([[[*PRETRAINING, *TEST]], *scores])
    for arguments in failed:
        print(f"failed: python train.py {arguments}", file=sys.stderr)
    if not failed:
        write_records()
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
