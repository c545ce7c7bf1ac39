"""The unigram baseline: the loss of a model that knows only how often each token occurs; training must beat it."""

import numpy as np
from jaxtyping import Int, Real

from data.packing import PackedRows

CHUNK = 1 << 24  # tokens counted at once: bincount widens them to 8 bytes each


def token_counts(rows: PackedRows, vocab_size: int, *, special_ids: Int[np.ndarray, " n"]) -> Int[np.ndarray, " V"]:
    """How often each id occurs in `rows`; special tokens count zero, as they are never predicted."""
    counts = np.zeros(vocab_size, np.int64)
    for begin in range(0, len(rows.tokens), CHUNK):
        counts += np.bincount(rows.tokens[begin : begin + CHUNK], minlength=vocab_size)
    counts[special_ids] = 0
    return counts


def unigram_nats(
    train: Real[np.ndarray, " V"], held_out: Int[np.ndarray, " V"], *, special_ids: Int[np.ndarray, " n"]
) -> float:
    """Cross-entropy in nats per token of the held-out counts under the add-one-smoothed training counts.

    Special ids are outside the distribution: they are never predicted, so they get no smoothing mass.
    """
    ordinary = np.ones(len(train), bool)
    ordinary[special_ids] = False
    smoothed = train[ordinary] + 1.0
    nats = -np.log(smoothed / smoothed.sum())
    return float((held_out[ordinary] * nats).sum() / held_out[ordinary].sum())
