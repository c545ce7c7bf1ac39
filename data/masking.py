"""Dynamic masking: which tokens a masked language model must guess, drawn anew whenever a row is read.

Sources: Devlin et al. 2018, section 3.1 (80/10/10); Liu et al. 2019, section 4.1 (dynamic masking); the count of masked
tokens follows fairseq's, the whole-word draw BERT's later release.
"""

import math

import numpy as np
from jaxtyping import Bool, Int, Shaped

MASK_SHARE, RANDOM_SHARE = 0.8, 0.1

Row = dict[str, Shaped[np.ndarray, "..."]]


def predictions_per_row(rate: float, length: int) -> int:
    """The static number P of prediction slots that a row of `length` tokens can fill."""
    return max(1, math.ceil(rate * length))


def mask_tokens(
    row: Row,
    rng: np.random.Generator,
    *,
    rate: float = 0.15,
    mask_id: int,
    vocab_size: int,
    special_ids: Int[np.ndarray, " n"],
    starts_word: Bool[np.ndarray, " V"] | None = None,
    predictions: int,
) -> Row:
    """A row of `PackedRows` with a share `rate` of its ordinary tokens to be predicted.

    Of n tokens that are neither padding nor special, floor(rate * n + u) are chosen, u uniform in [0, 1), at most
    `predictions` (= P); of the chosen, 80 % become the mask, 10 % a random ordinary token, 10 % stay. With
    `starts_word` whole words are chosen in random order as long as they fit that count, so that a part of a word never
    gives the rest away.

    Returns input_ids, attention_mask and segment_ids [S], and predict_positions, labels and label_weights [P], sorted
    by position; unused slots hold position 0, label 0, weight 0.
    """
    original, segments = row["input_ids"], row["segment_ids"]
    ordinary = np.flatnonzero((segments > 0) & ~(original[:, None] == special_ids).any(axis=1))
    count = min(int(rate * len(ordinary) + rng.random()), predictions, len(ordinary))
    if starts_word is None:
        chosen = np.sort(rng.choice(ordinary, count, replace=False, shuffle=False)) if count else ordinary[:0]
    else:
        chosen = _choose_words(ordinary, starts_word[original[ordinary]], count, rng)
    fate = rng.random(len(chosen))
    substitutes = _random_ordinary(len(chosen), vocab_size, special_ids, rng)
    keep = np.where(fate < MASK_SHARE + RANDOM_SHARE, substitutes, original[chosen])
    ids = original.copy()
    ids[chosen] = np.where(fate < MASK_SHARE, mask_id, keep)
    return {
        "input_ids": ids,
        "attention_mask": (segments > 0).astype(np.int32),
        "segment_ids": segments,
        "predict_positions": _padded(chosen, predictions, np.int32),
        "labels": _padded(original[chosen], predictions, np.int32),
        "label_weights": _padded(np.ones(len(chosen)), predictions, np.float32),
    }


def _choose_words(
    positions: Int[np.ndarray, " n"], starts: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Positions of whole words in random order, each taken if it still fits into `count` tokens."""
    if not count:
        return positions[:0]
    starts = starts.copy()
    # A gap (a special token between) also begins a word: what follows was cut off from its beginning.
    starts[0] = True
    starts[1:] |= np.diff(positions) > 1
    begins = np.flatnonzero(starts)
    sizes = np.diff(np.append(begins, len(positions)))
    order = rng.permutation(len(begins))
    totals = np.cumsum(sizes[order])
    fitting = int(np.searchsorted(totals, count, side="right"))
    taken = np.zeros(len(begins), bool)
    taken[order[:fitting]] = True
    left = count - (totals[fitting - 1] if fitting else 0)
    for word in order[fitting:]:
        if not left:
            break
        if sizes[word] <= left:
            taken[word] = True
            left -= sizes[word]
    return positions[np.repeat(taken, sizes)]


def _random_ordinary(
    count: int, vocab_size: int, special_ids: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Int[np.ndarray, " count"]:
    """Uniform over the ids that are not special: draw a rank among them, then step over the special ids before it."""
    ranks = rng.integers(0, vocab_size - len(special_ids), count)
    return ranks + np.searchsorted(special_ids - np.arange(len(special_ids)), ranks, side="right")


def _padded(values: np.ndarray, length: int, dtype: type) -> np.ndarray:
    out = np.zeros(length, dtype)
    out[: len(values)] = values
    return out


def hide_tokens(
    ids: Int[np.ndarray, " n"],
    rng: np.random.Generator,
    *,
    rate: float,
    mask_id: int,
    special_ids: Int[np.ndarray, " m"],
) -> Int[np.ndarray, " n"]:
    """Each token that is not special becomes the mask with probability `rate`, whatever becomes of the others.

    A net that learns to read through such noise leans on no single word (Iyyer et al. 2015, section 3.2, drops words).
    """
    hidden = (rng.random(len(ids)) < rate) & ~np.isin(ids, special_ids)
    return np.where(hidden, np.int32(mask_id), ids)
