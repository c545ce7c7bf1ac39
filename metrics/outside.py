"""Scores where one class is for what belongs to none of the others, and the threshold below which it is answered.

Source: Larson et al. 2019, section 3.
"""

import math

import numpy as np


def in_scope_accuracy(confusion: np.ndarray, outside: int) -> float:
    """Share of the examples of any class but `outside` that are answered rightly; NaN when there are none."""
    total = confusion.sum() - confusion[outside].sum()
    return float((np.trace(confusion) - confusion[outside, outside]) / total) if total else math.nan


def out_of_scope_recall(confusion: np.ndarray, outside: int) -> float:
    """Share of the examples of class `outside` that are answered so; NaN when there are none."""
    total = confusion[outside].sum()
    return float(confusion[outside, outside] / total) if total else math.nan


def best_threshold(confidence: np.ndarray, right: np.ndarray, outside: np.ndarray) -> float:
    """The lowest threshold with the most right answers, if what is less confident is answered "outside" instead.

    For each example: the probability of its answer, whether that answer is right, and whether "outside" would be. It
    lies half way between two confidences; 0 = all answers stand. All classes and the one outside them count alike.
    """
    order = np.argsort(confidence, kind="stable")
    at = confidence[order].astype(float)
    given_up = np.concatenate([[0], np.cumsum(outside[order], dtype=float)])  # right among the k least confident
    kept = np.concatenate([np.cumsum(right[order][::-1], dtype=float)[::-1], [0]])  # right among the others
    score = given_up + kept
    score[1:-1][at[1:] == at[:-1]] = -1  # equals stand or fall together
    k = int(score.argmax())
    if k == 0:
        return 0.0
    return float((at[k - 1] + at[k]) / 2 if k < len(at) else np.nextafter(at[-1], np.inf))
