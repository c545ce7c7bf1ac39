"""What global attention on the question is worth to a Longformer that answers from one sentence: two nets, two seeds.

    python -m sweeps run experiments/answering/attention.py --at-once=2

Reads runs/data/qamr, which prepare.py writes. Four layers whose windows are 4 tokens on each side pass a word on by 16
at most, as twelve layers of 256 do by 3,072 in an article of 4,096: most of the sentence sees nothing of the question
unless the question is global (Beltagy et al. 2020, section 6).
"""

from experiments.answering.sweep import SENTENCE, SHARED
from sweeps import Sweep


def get_sweep() -> Sweep:
    return Sweep(
        recipe="configs/question_answering.py:tiny,overlap=True,whole=128",
        settings=[{"data.global_tokens": "question"}, {"data.global_tokens": "none"}],
        keys={
            **SHARED,
            **SENTENCE,
            **{f"data.{split}": f"runs/data/qamr/{split}.json" for split in ("train", "validation", "test")},
            "model.max_positions": 128,
            "model.windows": (4,),
            "data.length_groups": 20,
            "train.steps": 600,
            "evaluation.every": 300,
            "checkpoint.every": 300,
        },
        seeds=(0, 1),
        splits=("validation",),
        metric="f1",
        goal="max",
        directory="runs/answering/attention",
    )
