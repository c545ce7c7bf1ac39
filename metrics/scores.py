"""Scores from additive counts, so that the parts of a split may be counted in any order and on any device."""

import math

import numpy as np


def confusion_accuracy(confusion: np.ndarray) -> float:
    """Share of examples on the diagonal of `confusion[true, predicted]`; NaN when there are none."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else math.nan


def binary_f1(confusion: np.ndarray) -> float:
    """F1 of class 1 from a 2 x 2 `confusion[true, predicted]`; 0 when nothing of class 1 was found."""
    return float(_f1_per_class(confusion)[1])


def macro_f1(confusion: np.ndarray) -> float:
    """Unweighted mean of the F1 of each class that is there or was answered; NaN without an example.

    As scikit-learn's `f1_score(..., average="macro")`: what neither is nor was answered says nothing of the answers.
    """
    seen = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(_f1_per_class(confusion)[seen].mean()) if seen.any() else math.nan


def _f1_per_class(confusion: np.ndarray) -> np.ndarray:
    found = np.diag(confusion).astype(float)
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * found  # false positives and false negatives
    return np.divide(2 * found, 2 * found + wrong, out=np.zeros_like(found), where=2 * found + wrong > 0)


def perplexity(nats: float) -> float:
    """exp of a mean loss in nats per token; infinite past what a float holds."""
    return math.exp(nats) if nats < 700 else math.inf


def majority_baseline(train_labels: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Confusion counts of always answering the most frequent training label."""
    answer = int(np.bincount(train_labels, minlength=classes).argmax())
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, answer), 1)
    return confusion


def matthews_correlation(confusion: np.ndarray) -> float:
    """Correlation of truth and answer from `confusion[true, predicted]`, -1 to 1; 0 where either is always the same.

    Source: Matthews 1975; Gorodkin 2004 for more than two classes.
    """
    confusion = confusion.astype(float)
    true, found, total = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum()
    spread = (total**2 - (true**2).sum()) * (total**2 - (found**2).sum())
    return float((np.trace(confusion) * total - true @ found) / math.sqrt(spread)) if spread > 0 else 0.0


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Linear correlation, -1 to 1; NaN where either is always the same.

    Raises:
      ValueError: they are not as long as each other.
    """
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"two series of equal length are wanted, got the shapes {one.shape} and {other.shape}")
    if not one.size or not np.ptp(one) or not np.ptp(other):
        return math.nan
    one, other = (x - x.mean() for x in (one.astype(float), other.astype(float)))
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of ranks, -1 to 1; equal values share the mean of their ranks. NaN and errors as `pearson`."""
    return pearson(_ranks(one), _ranks(other))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[inverse]
