"""Scores from sums, on the host; beside them the fields' own scorers, each in a module that its users name.

`metrics.squad`, `metrics.rouge` and `metrics.translation` are not imported here: the libraries behind them take time.
"""

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
    "binary_f1",
    "confusion_accuracy",
    "macro_f1",
    "majority_baseline",
    "matthews_correlation",
    "pearson",
    "perplexity",
    "spearman",
]
