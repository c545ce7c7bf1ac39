"""Pretrainings, then each set of texts by each net with two seeds, and the records of them all.

    python -m sweeps run experiments/finetuning/sweep.py:pretrained-longformer     # these two first
    python -m sweeps run experiments/finetuning/sweep.py:pretrained-transformer
    python -m sweeps run experiments/finetuning/sweep.py:pretrained-further        # goes on from it, for other studies
    python -m sweeps run experiments/finetuning/sweep.py:sst2-transformer --at-once=2
    python -m sweeps run experiments/finetuning/sweep.py:sst2-transformer-random --at-once=2   # from random weights
    python -m sweeps run experiments/finetuning/sweep.py:sst2-transformer-further --at-once=2  # from pretrained-further
    python -m experiments.finetuning.sweep                                         # writes the records of what is done

A name is SET-NET and one of STARTS, with the sets of SETS and a net of NETS. With -further and -mean both nets begin as
the same Transformer; with -mean and -random-mean a text is told by the mean of its tokens' vectors, not by the first
one. Reads runs/data/NAME, which prepare.py writes.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from errors import pick
from experiments.collect import write_collected
from experiments.record import Published
from sweeps import Sweep

ROOT = Path("runs/finetuning")
NETS = {"longformer": "tiny,model=longformer,length=2048", "transformer": "tiny,model=transformer,length=512"}
REVIEWS = Published(value=0.872, source="Pang and Lee 2004, mean over ten folds")
PHRASES = Published(value=0.935, source="Devlin et al. 2019, table 1, BERT-base")
LONG = Published(value=0.948, source="Beltagy et al. 2020, table 7")
CUT = Published(value=0.874, source="Beltagy et al. 2020, table 7, RoBERTa-base")


@dataclass(frozen=True)
class Texts:
    """`metrics` are recorded, each with what is published by net; `argument` may replace the net's."""

    classes: tuple[str, ...]
    steps: int
    metrics: dict[str, dict[str, Published]]
    nets: tuple[str, ...] = tuple(NETS)
    argument: str = ""


SETS = {
    "movie_reviews": Texts(("neg", "pos"), 250, {"accuracy": dict.fromkeys(NETS, REVIEWS)}),
    "hyperpartisan": Texts(("false", "true"), 150, {"accuracy": {}, "f1": {"longformer": LONG, "transformer": CUT}}),
    "sst2": Texts(
        ("negative", "positive"), 800, {"accuracy": {"transformer": PHRASES}}, ("transformer",),
        "tiny,model=transformer,length=64,positions=512",
    ),
}  # fmt: skip
FURTHER = {  # more than four times the novels again, in rows as short as those of sentences and paragraphs
    "init_from": f"{ROOT}/pretrained-transformer/points/seed=0",
    "model.max_positions": 512,
    "train.batch_size": 24,
    "train.steps": 7000,
    "evaluation.every": 700,
    "evaluation.batches": 100,
    "checkpoint.every": 350,
}
PRETRAINED = {f"pretrained-{net}": (argument, {}) for net, argument in NETS.items()}
PRETRAINED["pretrained-further"] = "tiny,model=transformer,length=128", FURTHER
STARTS = "", "-random", "-further", "-mean", "-random-mean"
TUNED = tuple(f"{name}-{net}{start}" for name, each in SETS.items() for net in each.nets for start in STARTS)


def get_sweep(name: str) -> Sweep:
    pick(dict.fromkeys((*PRETRAINED, *TUNED)), name, key="what follows the colon")
    if name in PRETRAINED:
        argument, keys = PRETRAINED[name]
        novels = {f"data.{split}": f"runs/data/gutenberg_novels/{split}" for split in ("train", "validation")}
        return Sweep(recipe=f"configs/pretrain.py:{argument}", keys=novels | keys, directory=str(ROOT / name))
    which, net, *start = name.split("-")
    further = start in (["further"], ["mean"])
    texts, weights = SETS[which], f"{ROOT}/pretrained-{'further' if further else net}/points/seed=0"
    # A net from random weights reads with the same tokenizer, so that the weights alone differ.
    given = {"tokenizer.path": f"{weights}/tokenizer"} if "random" in start else {"init_from": weights}
    return Sweep(
        recipe=f"configs/finetune.py:{texts.argument or NETS[net]}",
        keys={
            **given,
            **({"model.pooling": "mean"} if "mean" in start else {}),
            "data.classes": texts.classes,
            **{f"data.{split}": f"runs/data/{which}/{split}.jsonl" for split in ("train", "validation", "test")},
            "train.steps": texts.steps,
        },
        seeds=(0, 1),
        splits=("validation", "test"),
        metric="accuracy",
        goal="max",
        directory=str(ROOT / name),
    )


def main() -> int:
    def write(name: str, metric: str, **more) -> None:
        workdirs = [point.workdir for point in get_sweep(name).points()]
        write_collected(workdirs, study="finetuning", name=name, metric=metric, **more)

    for name in PRETRAINED:
        write(name, "accuracy", split="validation")
    for name in TUNED:
        which, net, *_ = name.split("-")
        for metric, published in SETS[which].metrics.items():
            write(name, metric, published=published.get(net))
    return 0


if __name__ == "__main__":
    sys.exit(main())
