"""Scores from sums, on the host."""

from metrics.scores import binary_f1, confusion_accuracy, macro_f1, majority_baseline, perplexity

__all__ = ["binary_f1", "confusion_accuracy", "macro_f1", "majority_baseline", "perplexity"]
