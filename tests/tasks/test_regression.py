"""A number for each text: its sums, scores and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from data.tokenizer import Tokenizer
from errors import InputError
from models.outputs import ClassifierOutput
from tasks.regression import Regression
from tests.tasks.files import config_of, write_lines

RNG = np.random.default_rng(0)
NUMBERS = {split: RNG.normal(2000.0, 3.0, n).round(2).tolist() for split, n in (("train", 9), ("validation", 7))}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    for split, labels in NUMBERS.items():
        write_lines(folder / f"{split}.jsonl", [{"text": "a b", "label": y} for y in labels])
    write_lines(folder / "test.jsonl", [{"text": "a b"}] * 3)
    return folder


def task_of(place, **keys) -> Regression:
    config = config_of(place, "regression", **{"evaluation.batch_size": 4} | keys)
    return Regression(config, Tokenizer.train("wordpiece", ["a b"] * 4, vocab_size=40), place / "run")


class Numbers(nnx.Module):
    def __init__(self, values):
        self.values = nnx.Param(jnp.asarray(values, jnp.float32))

    def __call__(self, input_ids, **_):
        return ClassifierOutput(self.values[...][:, None], None)


def summed(task, told):
    """Totals over validation, whose batches have four places; filler places tell nonsense."""
    padded = np.append(told, 1e9).reshape(2, 4)
    parts = [
        task.loss(Numbers(row), batch, rngs=None)
        for row, batch in zip(padded, task.evaluation_batches("validation"), strict=True)
    ]
    return {name: sum(float(part[name]) for part in parts) for name in parts[0]}


def test_loss_and_pearson_come_from_sums_and_hold_far_from_zero(place):
    task, true = task_of(place), np.asarray(NUMBERS["validation"])
    told = true + np.random.default_rng(1).normal(size=7)
    scores = task.scores(summed(task, told))
    wanted = {"loss": np.mean((told - true) ** 2), "pearson": stats.pearsonr(told, true).statistic}
    errors = {name: abs(scores[name] - wanted[name]) for name in wanted}
    print(errors)  # 5e-5 and 2e-6 seen: labels near 2000 are float32
    assert errors["loss"] < 1e-3
    assert errors["pearson"] < 1e-4


def test_the_gradient_of_the_loss_is_that_of_the_squared_errors(place):
    task, batch = task_of(place), next(iter(task_of(place).evaluation_batches("validation")))
    told = batch["labels"] + np.asarray([1.0, -2.0, 0.5, 0.0], np.float32)
    grad = nnx.grad(lambda model: task.loss(model, batch, rngs=None)["loss"])(Numbers(told))
    error = np.abs(np.asarray(grad["values"][...]) - 2 * (told - batch["labels"])).max()
    print(f"largest error {error:.1e}")  # 0 seen
    assert error < 1e-3


def test_a_net_starts_at_the_mean_label_and_the_baseline_stays_there(place):
    task, there = task_of(place), np.asarray(NUMBERS["validation"], np.float32).astype(float)
    mean = np.asarray(NUMBERS["train"], np.float32).mean(dtype=float)
    assert task.initial_params()["head.output.bias"] == pytest.approx([mean])
    assert task.baseline("validation")["loss"] == pytest.approx(((there - mean) ** 2).mean())
    assert task.head["classes"] == 1


def test_spearman_and_predictions_are_of_whole_answers(place):
    task, told = task_of(place), iter([3.0, 1.0, 2.0, 5.0, 9.0, 4.0, 0.0, -1.0] * 2)
    true = np.asarray(NUMBERS["validation"])

    def answer(batch):
        return {"numbers": np.asarray([next(told) for _ in batch["index"]], np.float32)}

    found = task.graded(answer, "validation")
    assert found["spearman"] == pytest.approx(stats.spearmanr([3, 1, 2, 5, 9, 4, 0], true).statistic)
    wanted = stats.pearsonr([3, 1, 2, 5, 9, 4, 0], true).statistic
    assert found["pearson"] == pytest.approx(wanted, abs=1e-4)  # 7e-6 off: labels are float32
    lines = list(task.predictions(answer, "test"))
    assert [line["number"] for line in lines] == [3.0, 1.0, 2.0]
    assert [line["origin"].split(":")[-1] for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize("far", [0.0, 1e5])
def test_graded_correlations_hold_far_from_the_training_labels_and_are_0_without_any(far, place, tmp_path):
    labels = [far + y for y in NUMBERS["validation"]]
    write_lines(tmp_path / "validation.jsonl", [{"text": "a b", "label": y} for y in labels])
    task = task_of(place, **{"data.validation": str(tmp_path / "validation.jsonl")})
    told = np.asarray(labels) + np.random.default_rng(1).normal(size=7)

    def graded(values):
        left = iter(np.append(values, values[-1]).tolist())
        return task.graded(lambda batch: {"numbers": np.asarray([next(left) for _ in batch["index"]])}, "validation")

    error = abs(graded(told)["pearson"] - stats.pearsonr(told, labels).statistic)
    print(f"error {error:.1e}")  # 2e-6 and 1.2e-4 seen: labels are float32
    assert error < 1e-3
    assert graded(np.full(7, 3.1)) == {"pearson": 0.0, "spearman": 0.0}


def test_the_loss_compiles_and_a_batch_without_weights_counts_whole(place):
    task = task_of(place)
    batch = {name: array for name, array in task.train_batch(0).items() if name in task.columns}
    assert batch["labels"].dtype == np.float32
    totals = jax.jit(lambda b: task.loss(Numbers(np.zeros(8)), b, rngs=None))(batch)
    assert totals["weight"] == 8


@pytest.mark.parametrize("label", ["high", True, None, "", "nan", 1e39, 10**400, [1.0]])
def test_a_label_that_is_no_finite_number_is_refused_with_file_and_line(label, place, tmp_path):
    write_lines(tmp_path / "train.jsonl", [{"text": "a", "label": 1}, {"text": "b", "label": label}])
    task = task_of(place, **{"data.train": str(tmp_path / "train.jsonl")})
    with pytest.raises(InputError, match=r"train.jsonl:2: the label .* is not a finite number"):
        task.examples("train")


def test_numbers_in_text_are_read(place, tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,2.5\nb,-1e2\n")
    task = task_of(place, **{"data.train": str(tmp_path / "train.csv")})
    assert task.examples("train").labels.tolist() == [2.5, -100.0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data.classes": ("a", "b")}, "regression tells a number: leave data.classes"),
        ({"data.mixture": (("x", 1.0),)}, "data.mixture draws rows for masked_lm; regression"),
        ({"model.pooling": "max"}, "model.pooling='max' is not one of first, last, mean"),
        ({"masking.inputs": 1.0}, r"masking.inputs=1.0 must be at least 0 and below 1"),
    ],
)
def test_settings_that_mean_nothing_here_are_refused(keys, message, place):
    with pytest.raises(InputError, match=message):
        task_of(place, **keys)
