"""Correlations against scipy and by hand; and what is answered or missed outside the classes."""

import math

import numpy as np
import pytest
from scipy import stats

from metrics import (
    best_threshold,
    in_scope_accuracy,
    matthews_correlation,
    out_of_scope_recall,
    pearson,
    spearman,
)


def test_matthews_correlation_of_two_classes_is_that_of_the_four_counts():
    (tn, fp), (fn, tp) = confusion = np.array([[5, 1], [2, 2]])
    by_hand = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert math.isclose(matthews_correlation(confusion), by_hand)
    assert math.isclose(matthews_correlation(confusion[::-1, ::-1]), by_hand)  # names of classes do not matter
    assert math.isclose(matthews_correlation(confusion[:, ::-1]), -by_hand)


def test_matthews_correlation_of_many_classes_is_the_correlation_of_their_indicators():
    confusion = np.random.default_rng(0).integers(0, 9, (4, 4))
    true, told = (np.repeat(i.ravel(), confusion.ravel()) for i in np.indices((4, 4)))
    x, y = np.eye(4)[true], np.eye(4)[told]
    x, y = x - x.mean(0), y - y.mean(0)
    wanted = (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())
    assert math.isclose(matthews_correlation(confusion), wanted, rel_tol=1e-12)
    assert matthews_correlation(np.diag([3, 1, 2])) == 1.0


def test_answering_one_class_alone_has_no_correlation():
    assert matthews_correlation(np.array([[3, 0], [2, 0]])) == 0.0
    assert matthews_correlation(np.zeros((2, 2))) == 0.0
    assert math.isnan(pearson(np.ones(3), np.arange(3)))
    assert math.isnan(spearman(np.ones(3), np.arange(3)))


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_correlations_are_those_of_scipy_with_equal_values_too(shift):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, 200) + shift
    y = x + rng.normal(size=200)
    errors = [
        abs(pearson(x, y) - stats.pearsonr(x, y).statistic),
        abs(spearman(x, y) - stats.spearmanr(x, y).statistic),
    ]
    print(f"difference from scipy {max(errors):.1e}")  # 1e-16 seen
    assert max(errors) < 1e-12
    assert spearman(x, -x) == pytest.approx(-1, abs=1e-12)


OUTSIDE = np.array([[4, 1, 1], [0, 3, 1], [2, 0, 3]])  # the last class is what belongs to neither


def test_in_scope_accuracy_and_out_of_scope_recall_counted_by_hand():
    assert math.isclose(in_scope_accuracy(OUTSIDE, 2), 7 / 10)
    assert math.isclose(out_of_scope_recall(OUTSIDE, 2), 3 / 5)
    assert math.isnan(out_of_scope_recall(OUTSIDE * [[1], [1], [0]], 2))
    assert math.isnan(in_scope_accuracy(OUTSIDE * [[0], [0], [1]], 2))


def test_the_threshold_is_where_most_answers_are_right():
    confidence = np.array([0.9, 0.2, 0.4, 0.8, 0.3, 0.5])
    right = np.array([1, 0, 0, 1, 1, 0], bool)
    outside = np.array([0, 1, 1, 0, 0, 1], bool)
    assert best_threshold(confidence, right, outside) == pytest.approx(0.65)  # loses the 0.3, wins 0.2, 0.4 and 0.5
    assert best_threshold(confidence, np.ones(6, bool), np.zeros(6, bool)) == 0.0
    assert best_threshold(confidence, np.zeros(6, bool), np.ones(6, bool)) > 0.9


def test_no_other_threshold_is_better():
    rng = np.random.default_rng(2)
    for _ in range(50):
        confidence, right, outside = rng.integers(0, 8, 30) / 8, rng.random(30) < 0.5, rng.random(30) < 0.3

        def score(t, confidence=confidence, right=right, outside=outside):
            return np.where(confidence < t, outside, right).sum()

        assert score(best_threshold(confidence, right, outside)) == max(map(score, np.arange(-1, 10) / 8))
