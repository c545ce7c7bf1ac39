"""Answers asked for by length and told in the order of the file."""

import numpy as np
import pytest

from data.tokenizer import Tokenizer
from tasks.classification import Classification
from tests.tasks.files import config_of, write_lines

WORDS = (3, 9, 1, 7, 5, 12, 2)  # of each text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ordered")
    lines = [{"text": "a " * count, "label": "xy"[count % 2]} for count in WORDS]
    for split in ("train", "validation", "test"):
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def task_of(place, **keys) -> Classification:
    tokenizer = Tokenizer.train("wordpiece", ["a"] * 4, vocab_size=40)
    given = {"data.buckets": (4, 8, 12), "evaluation.batch_size": 2} | keys
    return Classification(config_of(place, "classification", **given), tokenizer, place / "run")


def rows(task: Classification, **how) -> tuple[list[int], list[int], list[int]]:
    """Numbers told, tokens that the answer to each is of, and the lengths of the batches asked, as far as they were."""
    asked = []

    def answer(batch):
        asked.append(batch["input_ids"].shape[1])
        return {"tokens": batch["attention_mask"].sum(1)}

    told = [(number, found["tokens"]) for number, found in task.answered_rows(answer, "test", **how)]
    assert all(tokens.shape == (1,) for _, tokens in told)
    return [number for number, _ in told], [int(tokens[0]) for _, tokens in told], asked


@pytest.mark.parametrize("labelled", [True, False])
def test_the_longest_are_asked_first_and_each_has_its_own_answer(place, labelled):
    numbers, tokens, asked = rows(task_of(place), labelled=labelled)
    assert numbers == list(range(len(WORDS)))
    assert tokens == [count + 2 for count in WORDS]
    assert asked == [32, 12, 8, 4]


def test_a_few_are_asked_for_as_the_file_has_them(place):
    assert rows(task_of(place), few=True)[2] == [12, 12, 32, 4]
    task, asked = task_of(place), []
    first = next(task.answered_rows(lambda batch: asked.append(1) or {"n": batch["index"]}, "test", few=True))
    assert (first[0], asked) == (0, [1])


def test_scores_of_some_batches_are_from_all_over_the_file_and_predictions_are_of_all(place):
    task = task_of(place, **{"evaluation.batches": 2})
    asked = [0, 1, 4, 5]  # the first and the third of four batches
    assert rows(task)[0] == asked
    assert [number for batch in task.evaluation_batches("test") for number in batch["index"]] == asked
    assert rows(task, labelled=False)[0] == list(range(len(WORDS)))


def test_labels_and_probabilities_belong_together(place):
    """Graded and predicted from answers that tell a text's number of tokens."""
    task = task_of(place)

    def answer(batch):
        odd = batch["attention_mask"].sum(1) % 2
        return {"probabilities": np.stack([odd, 1 - odd], axis=1).astype(np.float32)}

    told = [line["label"] for line in task.predictions(answer, "test")]
    assert told == ["xy"[1 - (count + 2) % 2] for count in WORDS]
    labels, probabilities = task._told(answer, "test")
    assert labels.tolist() == [count % 2 for count in WORDS]
    assert (probabilities[:, 0] == [(count + 2) % 2 for count in WORDS]).all()
