"""Each set with each seed: `python -m sweeps run experiments/answering/sweep.py:qamr`, and so on for the other names.

Data lies in runs/data, by prepare.py. Paragraphs and articles are answered by nets that have learnt from single
sentences what a question asks for: run qamr first, and qamr-whole before covid_qa-whole.
"""

from dataclasses import dataclass
from typing import Any

from errors import pick
from sweeps import Sweep

SENTENCE = {  # keys of the data, in tokens
    "data.length": 128,
    "data.question_length": 24,
    "data.stride": 32,
    "data.buckets": (48, 64, 96),
    "train.batch_size": 32,
    "train.steps": 2000,
    "evaluation.batch_size": 64,
}
PARAGRAPH = {"data.length": 384, "train.batch_size": 16, "train.steps": 1000}
WINDOWS = {"data.length": 512, "data.stride": 64, "data.empty_windows": 0.05, "train.batch_size": 8, "train.steps": 400}
WHOLE_SENTENCE = SENTENCE | {"data.length_groups": 20, "train.steps": 1200}
WHOLE = {"data.length": 8192, "data.empty_windows": 0.05, "train.batch_size": 1, "train.steps": 400}
SHARED = {
    "model.max_positions": 8192,
    "tokenizer.vocab_size": 4096,
    "optimizer.learning_rate": 2e-3,
    "optimizer.warmup_steps": 100,
}


@dataclass(frozen=True)
class Set:
    """`keys` beside those that all share; `start` names the set whose net is gone on with, if any."""

    data: str
    keys: dict[str, Any]
    validations: int
    start: str = ""
    whole: bool = False  # documents are read whole


SETS = {
    "qamr": Set("qamr", SENTENCE, 8),
    "qamr-whole": Set("qamr", WHOLE_SENTENCE, 4, whole=True),
    "squad1": Set("squad1", PARAGRAPH, 8, start="qamr"),
    "squad2": Set("squad2", PARAGRAPH, 8, start="qamr"),
    "covid_qa": Set("covid_qa", WINDOWS, 2, start="qamr"),
    "covid_qa-whole": Set("covid_qa", WHOLE, 2, start="qamr-whole", whole=True),
}


def get_sweep(name: str) -> Sweep:
    each = pick(SETS, name, key="what follows the colon")
    every = each.keys["train.steps"] // each.validations
    started = {"init_from": f"runs/answering/{each.start}/points/seed={{seed}}", "optimizer.learning_rate": 5e-4}
    return Sweep(
        recipe="configs/question_answering.py:tiny,overlap=True" + (",whole=8192" if each.whole else ""),
        keys={
            **SHARED,
            **each.keys,
            **(started if each.start else {}),
            **{f"data.{split}": f"runs/data/{each.data}/{split}.json" for split in ("train", "validation", "test")},
            "evaluation.every": every,
            "checkpoint.every": every,
        },
        seeds=(0, 1),
        splits=("validation", "test"),
        metric="f1",
        goal="max",
        directory=f"runs/answering/{name}",
    )
