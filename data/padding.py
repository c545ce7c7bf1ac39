"""Rows of unequal length in one array."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def padded(rows: Sequence[np.ndarray], length: int, fill: int) -> Int[np.ndarray, "b length"]:
    """Each row from the left, and `fill` after it."""
    out = np.full((len(rows), length), fill, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def real_places(rows: Sequence[np.ndarray], length: int) -> Int[np.ndarray, "b length"]:
    """1 where a row has a token."""
    return (np.arange(length) < np.asarray([len(row) for row in rows])[:, None]).astype(np.int32)
