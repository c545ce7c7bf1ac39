"""The unigram baseline: the loss of a model that knows only how often each token occurs. A trained model must beat
it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def token_counts(
    rows: Sequence[dict[str, np.ndarray]], vocab_size: int, *, special_ids: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " V"]:
    """How often each id occurs in `rows`; padding and special tokens count zero, as they are never predicted."""
    counts = np.zeros(vocab_size, np.int64)
    for i in range(len(rows)):
        row = rows[i]
        counts += np.bincount(row["input_ids"][row["segment_ids"] > 0], minlength=vocab_size)
    counts[special_ids] = 0
    return counts


def unigram_nats(
    train: Int[np.ndarray, " V"], held_out: Int[np.ndarray, " V"], *, special_ids: Int[np.ndarray, " n"] = ()
) -> float:
    """Cross-entropy in nats per token of the held-out counts under the add-one-smoothed training counts.

    Special ids are outside the distribution: they are never predicted, so they get no smoothing mass.
    """
    ordinary = np.ones(len(train), bool)
    ordinary[np.asarray(special_ids, int)] = False
    smoothed = train[ordinary] + 1.0
    nats = -np.log(smoothed / smoothed.sum())
    return float((held_out[ordinary] * nats).sum() / held_out[ordinary].sum())
