"""Each set with each seed: `python -m sweeps run experiments/answering/sweep.py:qamr`, and so on for the other names.

Data lies in runs/data, by prepare.py. Paragraphs and articles are answered by nets that have learnt from single
sentences what a question asks for: run qamr first, and qamr-whole before covid_qa-whole. Names with -read begin with a
masked LM of novels, experiments/finetuning/sweep.py:pretrained-transformer; those with -further with the one that has
read four times more, :pretrained-further, and go on from sentences to paragraphs and from there to articles.
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
    """`keys` beside those that all share; `start` is the run that is gone on from, if any."""

    data: str
    keys: dict[str, Any]
    validations: int
    start: str = ""
    whole: bool = False  # documents are read whole


QAMR, QAMR_WHOLE, QAMR_READ, QAMR_FURTHER, SQUAD1_FURTHER = (
    f"runs/answering/{name}/points/seed={{seed}}"
    for name in ("qamr", "qamr-whole", "qamr-read", "qamr-further", "squad1-further")
)
NOVELS, FURTHER = (f"runs/finetuning/pretrained-{name}/points/seed=0" for name in ("transformer", "further"))
READ = {"optimizer.learning_rate": 1e-3}
SETS = {
    "qamr": Set("qamr", SENTENCE, 8),
    "qamr-read": Set("qamr", SENTENCE | READ, 8, start=NOVELS),
    "qamr-further": Set("qamr", SENTENCE | READ, 8, start=FURTHER),
    "qamr-whole": Set("qamr", WHOLE_SENTENCE, 4, whole=True),
    "squad1": Set("squad1", PARAGRAPH, 8, start=QAMR),
    "squad1-further": Set("squad1", PARAGRAPH, 8, start=QAMR_FURTHER),
    "squad2": Set("squad2", PARAGRAPH, 8, start=QAMR),
    "squad2-read": Set("squad2", PARAGRAPH, 8, start=QAMR_READ),
    "squad2-further": Set("squad2", PARAGRAPH, 4, start=SQUAD1_FURTHER),
    "covid_qa": Set("covid_qa", WINDOWS, 2, start=QAMR),
    "covid_qa-further": Set("covid_qa", WINDOWS, 2, start=SQUAD1_FURTHER),
    "covid_qa-whole": Set("covid_qa", WHOLE, 2, start=QAMR_WHOLE, whole=True),
    "covid_qa-whole-further": Set("covid_qa", WHOLE, 2, start=SQUAD1_FURTHER, whole=True),
}


def get_sweep(name: str) -> Sweep:
    each = pick(SETS, name, key="what follows the colon")
    every = each.keys["train.steps"] // each.validations
    started = {"init_from": each.start, "optimizer.learning_rate": 5e-4} if each.start else {}
    return Sweep(
        recipe="configs/question_answering.py:tiny,overlap=True" + (",whole=8192" if each.whole else ""),
        keys={
            **SHARED,
            **started,
            **each.keys,
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
