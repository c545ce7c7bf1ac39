"""A task of questions about made-up documents, and its net."""

import json
from pathlib import Path

from flax import nnx

from configs import defaults
from data.tokenizer import Tokenizer
from models import HEADS, MODELS, LongformerConfig
from models.config import TransformerConfig
from tasks.question_answering import QuestionAnswering

SHIP = "A small ship left Bergen at dawn. The whale swam past Ålesund in 1973, and nobody saw it."
ASKED = [
    ("a", "Where did the ship leave?", [("Bergen", 18), ("left Bergen", 13)]),
    ("b", "When did the whale swim?", [("1973", 65)]),
    ("c", "Who saw the shark?", []),
]


def write_squad(path: Path, *, impossible: bool = True) -> Path:
    questions = []
    for number, text, answers in ASKED:
        listed = [{"text": answer, "answer_start": start} for answer, start in answers]
        if listed or impossible:
            questions.append({"id": number, "question": text, "answers": listed, "is_impossible": not listed})
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": SHIP, "qas": questions}]}]}))
    return path


def make_config(directory: Path, **data):
    config = defaults.get_config()
    config.task = "question_answering"
    path = str(write_squad(directory / "train.json"))
    config.model.update(name="transformer", width=16, depth=1, heads=2, mlp_width=32, max_positions=64, windows=(4,))
    config.data.update(source="files", text="context", text_pair="question", train=path, validation=path, test=path)
    config.data.update(length=64, stride=8, question_length=12)
    config.data.update(data)
    config.evaluation.batch_size = 4
    return config


def make_task(config, directory: Path) -> QuestionAnswering:
    tokenizer = Tokenizer.train("byte_bpe", [SHIP * 4, *(text for _, text, _ in ASKED)], vocab_size=320)
    return QuestionAnswering(config, tokenizer, directory)


def make_model(task: QuestionAnswering):
    values = {**task.config.model, "vocab_size": task.tokenizer.vocab_size}
    kind, net = MODELS[task.config.model.name]
    names = (LongformerConfig if kind is LongformerConfig else TransformerConfig).__dataclass_fields__
    sizes = kind(**{name: values[name] for name in names})
    return HEADS["question_answering"](net(sizes, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0), **task.head)
