"""Scores from sums, on the host; beside them the fields' own scorers, each in a module that its users name.

`metrics.squad`, `metrics.rouge` and `metrics.translation` are not imported here: the libraries behind them take time.
"""

from metrics.outside import best_threshold, in_scope_accuracy, out_of_scope_recall
from metrics.scores import (
    binary_f1,
    confusion_accuracy,
    macro_f1,
    majority_baseline,
    matthews_correlation,
    pearson,
    perplexity,
    spearman,
)

__all__ = [
    "best_threshold",
    "binary_f1",
    "confusion_accuracy",
    "in_scope_accuracy",
    "macro_f1",
    "majority_baseline",
    "matthews_correlation",
    "out_of_scope_recall",
    "pearson",
    "perplexity",
    "spearman",
]
