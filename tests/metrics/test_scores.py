import math

import numpy as np
import pytest
from scipy import stats

from metrics import (
    binary_f1,
    confusion_accuracy,
    macro_f1,
    majority_baseline,
    matthews_correlation,
    pearson,
    perplexity,
    spearman,
)

# rows: truth; columns: answer
CONFUSION = np.array([[5, 1], [2, 2]])


def test_scores_of_a_confusion_counted_by_hand():
    assert confusion_accuracy(CONFUSION) == 7 / 10
    assert math.isclose(binary_f1(CONFUSION), 2 * 2 / (2 * 2 + 1 + 2))
    assert math.isclose(macro_f1(CONFUSION), (10 / 13 + 4 / 7) / 2)


def test_a_class_that_neither_is_nor_was_answered_leaves_the_macro_f1_alone():
    assert macro_f1(np.diag([3, 2, 0])) == 1.0
    assert math.isclose(macro_f1(np.array([[3, 0, 0], [0, 0, 0], [2, 0, 0]])), (6 / 8 + 0) / 2)
    assert math.isnan(macro_f1(np.zeros((3, 3))))


def test_a_class_never_found_scores_zero_and_no_examples_score_nan():
    assert binary_f1(np.array([[3, 0], [2, 0]])) == 0.0
    assert math.isnan(confusion_accuracy(np.zeros((2, 2))))


def test_the_majority_baseline_answers_the_commonest_training_label():
    confusion = majority_baseline(np.array([1, 1, 0]), np.array([0, 0, 1]), 2)
    assert confusion.tolist() == [[0, 2], [0, 1]]


def test_perplexity_is_the_exponential_of_nats_and_never_overflows():
    assert math.isclose(perplexity(math.log(50)), 50)
    assert perplexity(1e6) == math.inf


def test_the_matthews_correlation_counted_by_hand_and_as_a_correlation_of_labels():
    assert math.isclose(matthews_correlation(CONFUSION), (5 * 2 - 1 * 2) / math.sqrt(6 * 4 * 7 * 3))
    truth, answer = (np.repeat([0, 0, 1, 1], CONFUSION.ravel()), np.repeat([0, 1, 0, 1], CONFUSION.ravel()))
    assert math.isclose(matthews_correlation(CONFUSION), pearson(truth, answer))


def test_the_matthews_correlation_of_three_classes_is_gorodkins():
    confusion = np.array([[4, 1, 0], [2, 3, 1], [0, 0, 5]])
    truth, answer = (np.eye(3)[np.repeat(x, confusion.ravel())] for x in (np.repeat(range(3), 3), np.tile(range(3), 3)))
    truth, answer = truth - truth.mean(0), answer - answer.mean(0)
    assert math.isclose(
        matthews_correlation(confusion), (truth * answer).sum() / math.sqrt((truth**2).sum() * (answer**2).sum())
    )


def test_answering_always_the_same_has_no_correlation():
    assert matthews_correlation(np.array([[7, 0], [3, 0]])) == 0
    assert matthews_correlation(np.array([[0, 0], [0, 9]])) == 0
    assert math.isnan(pearson(np.full(3, 0.1), np.arange(3)))
    assert math.isnan(spearman(np.arange(3), np.ones(3)))
    assert math.isnan(pearson(np.zeros(0), np.zeros(0)))


def test_correlations_are_those_of_scipy_with_ties_too():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=50), rng.integers(0, 6, 50)
    errors = (
        pearson(one, other) - stats.pearsonr(one, other).statistic,
        spearman(one, other) - stats.spearmanr(one, other).statistic,
    )
    print(f"differences {errors}")  # 1e-16 seen
    assert np.abs(errors).max() < 1e-12
    assert math.isclose(spearman(np.array([1, 10, 100]), np.array([1, 2, 3])), 1)
    assert math.isclose(pearson(np.array([1, 2, 3]), np.array([2, 1, 0])), -1)
    with pytest.raises(ValueError, match="equal length"):
        pearson(np.arange(3), np.arange(4))
