"""Batches whose content is a function of (seed, step) alone, on any number of processes, after any resume.

The stream of examples has no end: position p is example `order(p)` (data.order), where each epoch of n positions is a
permutation of the n examples. Batch s holds positions s*B to (s+1)*B - 1, so an epoch's remainder opens the next batch
and none is lost. An example's randomness comes from (seed, p), so it is drawn anew in each epoch. Grain reads ahead.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import grain
import numpy as np
from jaxtyping import Int, Shaped

from data.mixture import MixedOrder, Mixture
from data.order import GroupedOrder, Order
from errors import InputError

Example = dict[str, Any]
Batch = dict[str, Shaped[np.ndarray, "b ..."]]
Transform = Callable[[Example, np.random.Generator], Example]
Collate = Callable[[Sequence[Example], int | None], Batch]


@runtime_checkable
class Source(Protocol):
    """Random access to examples; where they differ in length, `lengths` is an array of tokens per example."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


@dataclass(frozen=True)
class Share:
    """Which of `count` equal parts of each micro-batch this process reads; processes may share a part."""

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int, accumulation: int = 1) -> list[int]:
        """Places in the global batch, whose micro-batches lie behind one another."""
        if batch_size < 1 or batch_size % (self.count * accumulation):
            raise InputError(
                f"a batch of {batch_size} examples in {accumulation} micro-batches cannot be cut into {self.count}"
            )
        micro = batch_size // accumulation
        part = micro // self.count
        first = self.index * part
        return [number * micro + row for number in range(accumulation) for row in range(first, first + part)]


def stack(examples: Sequence[Example], longest: int | None = None) -> Batch:
    """The default collation: equal shapes, one new leading axis; `longest` is not needed."""
    return {key: np.stack([example[key] for example in examples]) for key in examples[0]}


class TrainBatches:
    """An endless iterator of batches, this process's share of each; `.step` is the step of the next one.

    Reading runs ahead in a background thread by `ahead` batches (0 reads in the caller's thread). `transform(example,
    rng)` adds an example's randomness; `collate(examples, longest)` makes the batch, `longest` being the greatest of
    the source's `lengths` in the global batch (None if it has none), which all processes agree on. `length_groups`
    batches at a time are sorted by these (data.order.GroupedOrder); 0: none are.

    Raises:
      InputError: for an empty source, a batch that does not divide among the processes, or (when reading) ids outside
        [0, vocab_size), which an accelerator would clamp without a word.
    """

    def __init__(
        self,
        source: Source,
        *,
        seed: int,
        batch_size: int,
        transform: Transform | None = None,
        collate: Collate = stack,
        vocab_size: int | None = None,
        share: Share = Share(),
        accumulation: int = 1,
        ahead: int = 2,
        length_groups: int = 0,
    ):
        if not len(source):
            raise InputError("there is no training example: the source is empty")
        self._identity = {"seed": seed, "batch_size": batch_size, "examples": len(source)}
        rows = share.rows(batch_size, accumulation)
        order = _order_of(source, seed, batch_size, length_groups)
        how = {"transform": transform, "finish": _Finish(collate, vocab_size), "order": order}
        self._batches = _Batches(source, seed=seed, batch_size=batch_size, rows=rows, **how)
        self._options = grain.ReadOptions(num_threads=min(ahead, 1), prefetch_buffer_size=ahead)
        self._reader = None
        self.step = 0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._reader is None:
            self._reader = iter(self._batches.to_iter_dataset(self._options))
            self._reader.set_state({"next_index": self.step})
        batch = next(self._reader)
        self.step += 1
        return batch

    def at(self, step: int) -> Batch:
        """The batch of any step; the iterator does not move."""
        return self._batches[step]

    def longest(self) -> Batch:
        """The first batch, padded as one that holds the longest example is: the largest shape that any step has."""
        return self._batches.padded(0, self._batches.longest)

    def indices(self, step: int) -> list[int]:
        """The source's examples in the global batch of `step`, for naming it in a report."""
        return self._batches.indices(step, range(self._identity["batch_size"])).tolist()

    def seek(self, step: int) -> None:
        """Make `step` the next step."""
        self.close()
        self.step = step

    def state(self) -> dict[str, int]:
        """What a checkpoint needs, as JSON: the next step, and what must be the same on resuming."""
        return {"step": self.step, **self._identity}

    def restore(self, state: dict[str, int]) -> None:
        """Go on from `state()`.

        Raises:
          InputError: if the seed, the batch size or the number of examples is another, for then the order would change.
        """
        for name, value in self._identity.items():
            if state.get(name) != value:
                raise InputError(f"the checkpoint was made with data {name}={state.get(name)} but this run has {value}")
        self.seek(state["step"])

    def close(self) -> None:
        """Stop reading ahead."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None


class EvalBatches:
    """One pass over `source` in order, the same on every call; iterate as often as you like.

    Where `longest_first`, the order is by the source's `lengths`, if it has them: what lies in one batch is about as
    long, so that little is padded, and a batch that does not fit fails at once.

    Where `at_most` is set, there are no more batches than that: evenly spread over the source from the first one on,
    since files are often sorted by class; or, with `first`, those that stand at its beginning.

    The last batch is filled with copies of the last example. "example_weights" (float32 [b]) is 0 for those and 1
    otherwise, and "label_weights", where a batch has them, are multiplied by it. Randomness comes from (seed, example).
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        seed: int = 0,
        transform: Transform | None = None,
        collate: Collate = stack,
        vocab_size: int | None = None,
        share: Share = Share(),
        longest_first: bool = False,
        at_most: int = 0,
        first: bool = False,
    ):
        if not len(source):
            raise InputError("there is no example to evaluate: the source is empty")
        rows = share.rows(batch_size)
        lengths = getattr(source, "lengths", None) if longest_first else None
        once = np.arange(len(source)) if lengths is None else np.argsort(-np.asarray(lengths), kind="stable")
        how = {"transform": transform, "finish": _Finish(collate, vocab_size), "once": once}
        self._batches = _Batches(source, seed=seed, batch_size=batch_size, rows=rows, **how)
        total = len(self._batches)
        count = min(at_most, total) if at_most else total
        self._steps = [step if first else step * total // count for step in range(count)]

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Batch]:
        return (self._batches[step] for step in self._steps)


class _Finish:
    """Collation and the checks on the finished batch."""

    def __init__(self, collate: Collate, vocab_size: int | None):
        self.collate, self.vocab_size = collate, vocab_size

    def __call__(self, examples: Sequence[Example], indices: Sequence[int], longest: int | None) -> Batch:
        batch = self.collate(examples, longest)
        ids = batch.get("input_ids")
        if self.vocab_size is not None and ids is not None and (ids.min() < 0 or ids.max() >= self.vocab_size):
            row, place = np.argwhere((ids < 0) | (ids >= self.vocab_size))[0]
            raise InputError(
                f"example {indices[row]} of the data has token id {ids[row, place]} at place {place}, outside the "
                f"vocabulary of {self.vocab_size}; use the tokenizer and the model that belong together"
            )
        return batch


def _order_of(source: Source, seed: int, batch_size: int, length_groups: int) -> Order | MixedOrder | GroupedOrder:
    if isinstance(source, Mixture):
        return source.order(seed)
    if length_groups:
        if not hasattr(source, "lengths"):
            raise InputError(
                f"data.length_groups={length_groups} sorts examples by length, and these are all of one: 0"
            )
        return GroupedOrder(source.lengths, seed, batch_size=batch_size, batches=length_groups)
    return Order(len(source), seed)


class _Batches(grain.MapDataset):
    """Batches by step, in random order without end, or of the examples `once` lists, with filler past the end."""

    def __init__(
        self,
        source: Source,
        *,
        seed: int,
        batch_size: int,
        rows: Sequence[int],
        transform: Transform | None,
        finish: _Finish,
        order: Order | MixedOrder | GroupedOrder | None = None,
        once: Int[np.ndarray, " n"] | None = None,
    ):
        super().__init__()
        self._source, self._transform, self._finish = source, transform, finish
        self._seed, self._batch_size, self._rows = seed, batch_size, rows
        lengths = getattr(source, "lengths", None)
        self._lengths = None if lengths is None else np.asarray(lengths)
        self._order, self._once = order, once

    def __len__(self) -> int:
        return sys.maxsize // self._batch_size if self._order else -(-len(self._source) // self._batch_size)

    def indices(self, step: int, rows: Sequence[int]) -> Int[np.ndarray, " b"]:
        positions = step * self._batch_size + np.asarray(rows)
        return self._order(positions) if self._order else self._once[np.minimum(positions, len(self._once) - 1)]

    def __getitem__(self, step: int) -> Batch:
        if self._lengths is None:
            return self.padded(step, None)
        return self.padded(step, int(np.max(self._lengths[self.indices(step, range(self._batch_size))])))

    @property
    def longest(self) -> int | None:
        """Of the source's `lengths`; None if it has none."""
        return None if self._lengths is None else int(self._lengths.max())

    def padded(self, step: int, longest: int | None) -> Batch:
        """The batch of `step`, made as if the longest example of the global batch were of `longest` tokens."""
        indices = self.indices(step, self._rows).tolist()
        positions = [step * self._batch_size + row for row in self._rows]
        drawn = positions if self._order else indices
        examples = [self._example(i, p) for i, p in zip(indices, drawn, strict=True)]
        batch = self._finish(examples, indices, longest)
        return batch if self._order else self._weighted(batch, positions)

    def _example(self, index: int, position: int) -> Example:
        example = self._source[index]
        if self._transform is None:
            return example
        return self._transform(example, np.random.default_rng((self._seed, position)))

    def _weighted(self, batch: Batch, positions: Sequence[int]) -> Batch:
        weights = (np.asarray(positions) < len(self._source)).astype(np.float32)
        batch = {**batch, "example_weights": weights}
        if "label_weights" in batch:
            labels = batch["label_weights"]
            batch["label_weights"] = labels * weights.reshape(-1, *[1] * (labels.ndim - 1))
        return batch
