"""Each set with each seed: `python -m sweeps run experiments/answering/sweep.py:qamr`, and so on for the other names.

Data lies in runs/data, by prepare.py. Paragraphs and articles are answered by nets that have learnt from single
sentences what a question asks for: run qamr first, and qamr-whole before covid_qa-whole.
"""

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
SETS = {  # data, keys, what it starts from, whether documents are read whole, how often it is validated
    "qamr": ("qamr", SENTENCE, "", False, 8),
    "qamr-whole": ("qamr", WHOLE_SENTENCE, "", True, 4),
    "squad1": ("squad1", PARAGRAPH, "qamr", False, 8),
    "squad2": ("squad2", PARAGRAPH, "qamr", False, 8),
    "covid_qa": ("covid_qa", WINDOWS, "qamr", False, 2),
    "covid_qa-whole": ("covid_qa", WHOLE, "qamr-whole", True, 2),
}


def get_sweep(name: str) -> Sweep:
    data, keys, start, whole, validations = pick(SETS, name, key="what follows the colon")
    every = keys["train.steps"] // validations
    started = {"init_from": f"runs/answering/{start}/points/seed={{seed}}", "optimizer.learning_rate": 5e-4}
    return Sweep(
        recipe="configs/question_answering.py:tiny,overlap=True" + (",whole=8192" if whole else ""),
        keys={
            **SHARED,
            **keys,
            **(started if start else {}),
            **{f"data.{split}": f"runs/data/{data}/{split}.json" for split in ("train", "validation", "test")},
            "evaluation.every": every,
            "checkpoint.every": every,
        },
        seeds=(0, 1),
        splits=("validation", "test"),
        metric="f1",
        goal="max",
        directory=f"runs/answering/{name}",
    )
