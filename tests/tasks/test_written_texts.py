"""Texts that are written, each with its own reference and its own line."""

import numpy as np
import pytest

from data.tokenizer import Tokenizer
from tasks.translation import Translation
from tests.tasks.files import config_of, write_lines

TEXTS = ("one two", "", "three four five six", "seven eight nine ten")  # an empty one is not learnt from
TARGETS = ("two one", "nothing", "six five four three", "ten nine eight seven")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    for split in ("train", "validation", "test"):
        lines = [{"text": text, "target": target} for text, target in zip(TEXTS, TARGETS, strict=True)]
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def task_of(place) -> Translation:
    tokenizer = Tokenizer.train("wordpiece", [" ".join(TEXTS + TARGETS)] * 4, vocab_size=200)
    keys = {"data.target": "target", "data.target_length": 16, "model.decoder_depth": 1, "evaluation.batch_size": 2}
    return Translation(config_of(place, "translation", **keys), tokenizer, place / "run")


def right(batch):
    """What a model says that knows every target."""
    lengths = (batch["label_weights"] > 0).sum(1) - 1  # without the token that ends it
    return {"tokens": batch["labels"][:, None], "lengths": lengths[:, None], "scores": np.zeros((len(lengths), 1))}


def read(batch):
    """What a model says that writes what it reads."""
    ids, lengths = batch["input_ids"][:, None, 1:], batch["attention_mask"].sum(1) - 2
    return {"tokens": ids, "lengths": lengths[:, None], "scores": np.zeros((len(lengths), 1))}


@pytest.mark.parametrize(("split", "count"), [("train", 3), ("test", 4)])
def test_each_text_is_graded_by_its_own_reference_also_where_some_are_left_out(place, split, count):
    task = task_of(place)
    assert len(task.examples(split)) == count
    assert task.graded(right, split)["chrf"] == pytest.approx(100)


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_line_of_a_file_is_answered_an_empty_one_too(place, split):
    assert [line["text"] for line in task_of(place).predictions(read, split)] == list(TEXTS)


@pytest.mark.parametrize("broken", ["a\nb", "a\rb", "a\r\nb", "a\u2028b", "a\x85b"])
def test_a_text_is_one_line_whatever_a_reader_takes_for_its_end(place, broken):
    assert task_of(place).written([{"text": broken}, {"text": ""}, {"text": "c"}]) == {".txt": "a b\n\nc\n"}
