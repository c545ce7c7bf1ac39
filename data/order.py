"""The order of the examples: an endless stream in which every run of n positions, an epoch, is a permutation of the n.

Two ways, by size. Grain's index shuffle needs no memory, and takes 6 to 9 microseconds an index from 2**16 examples on;
but it searches a fixed range, so it takes 0.4 ms an index among 100 examples and 6 ms among 2. Below 2**16 an epoch's
permutation is therefore made at once, by sorting the words of a Philox generator: exactly specified, so no library's
next version can move it.
"""

import grain
import numpy as np
from jaxtyping import Int

from errors import InputError

LISTED = 1 << 16


class Order:
    """`order(positions)` gives the examples at these positions of the stream of (size, seed); any position, at any
    time.
    """

    def __init__(self, size: int, seed: int):
        if not 0 <= seed < 1 << 32:
            raise InputError(f"the data seed must lie in [0, 2**32), got {seed}")
        self._size, self._seed = size, seed
        self._epochs: dict[int, np.ndarray] = {}
        self._grain = grain.MapDataset.range(size).seed(seed).shuffle().repeat() if size >= LISTED else None

    def __call__(self, positions: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        if self._grain is not None:
            return np.asarray([self._grain[int(p)] for p in positions], np.int64)
        epochs, places = np.divmod(positions, self._size)
        out = np.empty_like(positions)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            out[here] = self._permutation(int(epoch))[places[here]]
        return out

    def _permutation(self, epoch: int) -> Int[np.ndarray, " size"]:
        found = self._epochs.get(epoch)
        if found is None:
            words = np.random.Philox(key=np.array([self._seed, epoch], np.uint64)).random_raw(self._size)
            found = np.argsort(words, kind="stable")
            # Two epochs are enough for a batch that spans a border; a new dict keeps readers in other threads safe.
            self._epochs = {**dict(list(self._epochs.items())[-1:]), epoch: found}
        return found


class GroupedOrder:
    """An `Order` sorted by length, `batches` batches at a time: what lies in one batch is about as long.

    The batches of each group come in an order of their own. Which examples a group holds is what the plain order says,
    so each comes once an epoch here too.
    """

    def __init__(self, lengths: Int[np.ndarray, " N"], seed: int, *, batch_size: int, batches: int):
        if batches < 1:
            raise InputError(f"a group must hold at least 1 batch, got {batches}")
        self._order, self._lengths, self._seed = Order(len(lengths), seed), np.asarray(lengths), seed
        self._shape = (batches, batch_size)
        self._groups: dict[int, np.ndarray] = {}

    def __call__(self, positions: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        numbers, places = np.divmod(positions, self._shape[0] * self._shape[1])
        out = np.empty_like(positions)
        for number in np.unique(numbers):
            here = numbers == number
            out[here] = self._group(int(number))[places[here]]
        return out

    def _group(self, number: int) -> Int[np.ndarray, " m"]:
        found = self._groups.get(number)
        if found is None:
            size = self._shape[0] * self._shape[1]
            members = self._order(np.arange(number * size, (number + 1) * size))
            by_length = members[np.argsort(self._lengths[members], kind="stable")].reshape(self._shape)
            words = np.random.Philox(key=np.array([self._seed, number], np.uint64)).random_raw(self._shape[0])
            found = by_length[np.argsort(words, kind="stable")].reshape(-1)
            self._groups = {**dict(list(self._groups.items())[-1:]), number: found}
        return found
