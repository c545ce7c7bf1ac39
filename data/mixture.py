"""Several sources read as one stream, each with its share of it, for as long as anyone reads.

Which source stands at position p is a function of (weights, seed, p) alone: the stream is a pattern of SLOTS positions,
repeated, in which each source has its share to the nearest slot, in an order drawn from the seed. A source's own turns
go through its own order, so that it comes round again when it is exhausted, shuffled anew, whatever the others do.
"""

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from data.order import Order
from errors import InputError

SLOTS = 1 << 12


class Mixture:
    """The examples of `parts` behind one another; `order(seed)` draws them with `weights`, which need not add up to 1.

    Raises:
      InputError: a part without examples, or a weight that is not above 0.
    """

    def __init__(self, parts: Sequence[Any], weights: Sequence[int | float]):
        if not parts or not all(len(part) for part in parts):
            raise InputError("data.mixture: each part needs at least one example")
        self.parts, self.slots = tuple(parts), slots_of(weights)
        self._ends = list(itertools.accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Any:
        part = bisect.bisect_right(self._ends, index)
        return self.parts[part][index - self._ends[part] + len(self.parts[part])]

    def order(self, seed: int) -> "MixedOrder":
        return MixedOrder([len(part) for part in self.parts], self.slots, seed)


class MixedOrder:
    """`order(positions)` gives the examples at these positions of the stream; any position, at any time."""

    def __init__(self, sizes: Sequence[int], slots: Int[np.ndarray, " parts"], seed: int):
        words = np.random.Philox(key=np.array([seed, len(sizes)], np.uint64)).random_raw(SLOTS)
        self._pattern = np.repeat(np.arange(len(sizes)), slots)[np.argsort(words, kind="stable")]
        self._slots = slots
        self._turn = np.zeros(SLOTS, np.int64)  # of the slot's source within one round of the pattern
        for part in range(len(sizes)):
            here = self._pattern == part
            self._turn[here] = np.arange(here.sum())
        self._firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        # Sources of the same size would otherwise be shuffled alike.
        self._orders = [Order(size, (seed + 0x9E3779B1 * part) % (1 << 32)) for part, size in enumerate(sizes)]

    def __call__(self, positions: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        rounds, slots = np.divmod(positions, SLOTS)
        parts = self._pattern[slots]
        out = np.empty_like(positions)
        for part in np.unique(parts):
            here = parts == part
            turns = rounds[here] * self._slots[part] + self._turn[slots[here]]
            out[here] = self._firsts[part] + self._orders[part](turns)
        return out


def slots_of(weights: Sequence[int | float]) -> Int[np.ndarray, " parts"]:
    """How many of the SLOTS each weight has, by largest remainders; none is left without."""
    shares = np.asarray(weights, np.float64)
    if not np.isfinite(shares).all() or (shares <= 0).any():
        raise InputError(f"data.mixture: the weights {tuple(weights)} must be finite numbers above 0")
    exact = shares / shares.sum() * SLOTS
    slots = np.maximum(np.floor(exact), 1).astype(np.int64)
    for part in np.argsort(-(exact - np.floor(exact)), kind="stable")[: max(0, SLOTS - int(slots.sum()))]:
        slots[part] += 1
    slots[np.argmax(slots)] += SLOTS - slots.sum()
    return slots
