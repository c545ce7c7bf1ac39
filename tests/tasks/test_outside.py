"""What belongs to none of the classes: answered as a class, or below a threshold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data.tokenizer import Tokenizer
from errors import InputError
from metrics.outside import best_threshold
from models.outputs import ClassifierOutput
from tasks.classification import Classification, _answered, _confidence
from tests.tasks.files import config_of, write_lines

CLASSES = ("a", "b", "oos")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    for split, labels in {"train": "abab", "validation": "aabboo", "test": "aaooo"}.items():
        lines = [{"text": f"{c} word {n}", "label": {"o": "oos"}.get(c, c)} for n, c in enumerate(labels)]
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def task_of(place, **keys) -> Classification:
    config = config_of(place, "classification", **{"data.outside": "oos", "evaluation.batch_size": 4} | keys)
    tokenizer = Tokenizer.train("wordpiece", ["a b o word 0 1 2 3"] * 4, vocab_size=60)
    return Classification(config, tokenizer, place / "run")


def answer_with(table):
    """An answerer whose probabilities are rows of a table for each split, told apart by their number of examples."""
    rows = iter(table)

    def answer(batch):
        real = batch["example_weights"] > 0
        found = np.zeros((len(real), 3), np.float32)
        found[real] = [next(rows) for _ in range(real.sum())]
        return {"probabilities": found}

    return answer


VALIDATION = [
    [0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0],
    [0.1, 0.9, 0.0], [0.5, 0.4, 0.1], [0.0, 0.1, 0.9],
]  # fmt: skip
TEST = [[0.9, 0.0, 0.1], [0.59, 0.4, 0.01], [0.58, 0.4, 0.02], [0.1, 0.2, 0.7], [0.0, 0.9, 0.1]]


def test_the_scores_of_the_class_come_from_the_confusion():
    task = Classification.__new__(Classification)
    assert "in_scope_accuracy" not in Classification.__dict__
    object.__setattr__(task, "config", config_of("x", "classification", **{"data.outside": "oos"}))
    task.__dict__["classes"] = CLASSES
    scores = task.scores({"loss": 4.0, "weight": 2.0, "confusion": np.array([[4, 1, 1], [0, 3, 1], [2, 0, 3]])})
    assert scores["loss"] == 2.0
    assert scores["in_scope_accuracy"] == pytest.approx(0.7)
    assert scores["out_of_scope_recall"] == pytest.approx(0.6)
    assert tuple(scores) == task.score_names


def test_the_threshold_comes_from_validation_and_is_applied_to_the_test_split(place):
    task = task_of(place, **{"evaluation.outside_threshold": True})
    found = task.graded(answer_with(VALIDATION + TEST), "test")
    assert tuple(found) == task.graded_names
    assert found["threshold"] == pytest.approx(0.6)  # between 0.5, which is outside, and 0.7, which is right
    assert found["thresholded_in_scope_accuracy"] == 0.5  # 0.9 stands, 0.59 falls
    assert found["thresholded_out_of_scope_recall"] == pytest.approx(2 / 3)  # 0.58 and the class itself


def test_predictions_use_the_threshold_only_where_it_is_asked_for(place):
    with_it, without = (task_of(place, **{"evaluation.outside_threshold": on}) for on in (True, False))
    assert [line["label"] for line in without.predictions(answer_with(TEST), "test")] == ["a", "a", "a", "oos", "b"]
    found = list(with_it.predictions(answer_with(VALIDATION + TEST), "test"))
    assert [line["label"] for line in found] == ["a", "oos", "oos", "oos", "b"]
    assert found[1]["probabilities"] == {"a": 0.59, "b": 0.4, "oos": 0.01}
    assert without.graded_names == ()
    assert without.graded(answer_with([]), "test") == {}


class Table(nnx.Module):
    """A net that answers by the row, whatever it reads."""

    def __init__(self, logits):
        self.logits = nnx.Variable(jnp.asarray(logits))

    def __call__(self, input_ids, **_):
        return ClassifierOutput(self.logits[...][: len(input_ids)], None)


def test_totals_of_batches_add_up_to_the_scores_of_the_split(place):
    task = task_of(place)
    batches = (jax.tree.map(jnp.asarray, batch) for batch in task.evaluation_batches("test"))
    parts = [task.loss(Table(np.eye(3)[[0, 1, 1, 2]]), batch, rngs=None) for batch in batches]
    total = {name: sum(np.asarray(part[name]) for part in parts) for name in parts[0]}
    assert total["confusion"].tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]  # the last batch is one example, and filler
    assert total["weight"] == 5


def test_a_threshold_without_a_class_to_answer_is_refused(place):
    with pytest.raises(InputError, match=r"evaluation.outside_threshold answers data.outside, which is empty"):
        task_of(place, **{"data.outside": "", "evaluation.outside_threshold": True})


@pytest.mark.parametrize("surest", [0.99, 1.0, np.nextafter(np.float32(0.9), np.float32(1))])
def test_a_threshold_gives_up_what_it_was_chosen_to_give_up(surest):
    told = np.array([[0.9, 0.1, 0.0], [surest, 0.0, 0.0]], np.float32)
    for outside, kept in (([True, True], 0), ([True, False], 1)):  # the surest too, or the other alone
        at, given_up = _confidence(told, 2), np.array(outside)
        threshold = best_threshold(at, ~given_up, given_up)
        assert (_answered(told, 2, threshold) != 2).sum() == kept
