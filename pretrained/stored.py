"""A weight in a file, and how it comes into memory: once, in float32, as its model keeps it."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from errors import InputError

DTYPES = ("float64", "float32", "float16", "bfloat16")
BLOCK = 2**17  # bytes, at least, that are read at once: a core's cache holds them until they are put in their place
ROWS = 32  # at least, likewise; many more are turned at half the speed
ALIGNMENT = 64  # bytes; on a processor JAX takes over memory that begins at a multiple of them, without a copy


@dataclass(frozen=True)
class Stored:
    """A weight in a file, not read yet."""

    file: Path
    shape: tuple[int, ...]
    dtype: str  # numpy's word, or for what cannot be read the format's own
    rows: Callable[[int, int], np.ndarray]  # from one to before another, bfloat16 as float32; may raise InputError

    def blocks(self) -> list[slice]:
        """Of rows, which lie along the first axis."""
        count = self.shape[0] if self.shape else 1  # a number is a row of its own
        step = max(ROWS, BLOCK // max(1, jnp.dtype(self.dtype).itemsize * math.prod(self.shape[1:])))
        return [slice(first, min(first + step, count)) for first in range(0, count, step)]

    def part(self, index: int, of: int, *, axis: int) -> "Stored":
        """One of `of` equal parts that lie one after the other along the first axis (0) or the last (-1)."""
        shape = list(self.shape)
        shape[axis] //= of
        begin = index * shape[axis]
        if axis == 0 or len(shape) == 1:
            return replace(self, shape=tuple(shape), rows=lambda first, last: self.rows(begin + first, begin + last))
        own = slice(begin, begin + shape[axis])
        return replace(self, shape=tuple(shape), rows=lambda first, last: self.rows(first, last)[..., own])


def lying_at(offset: int, file: Path, shape: tuple[int, ...], dtype: str) -> Stored:
    """A weight whose bytes lie in the file from `offset` on, row by row."""

    def rows(first: int, last: int) -> np.ndarray:
        values = np.empty((last - first, *shape[1:]), jnp.dtype(dtype))
        row_bytes = values.nbytes // max(1, last - first)
        try:
            with open(file, "rb", buffering=0) as opened:
                opened.seek(offset + first * row_bytes)
                got = opened.readinto(values.view(np.uint8))
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error}") from error
        if got != values.nbytes:
            raise InputError(f"{file} has become shorter since its header was read")
        return values.astype(np.float32) if dtype == "bfloat16" else values

    return Stored(file, shape, dtype, rows)


def read_weights(
    stored: Mapping[str, Sequence[Stored]], shapes: Mapping[str, Any], turned: Callable[[str, Any], Any]
) -> dict[str, jax.Array]:
    """Parameters of those shapes in float32, each from one weight or from those of layers that lie behind one another.

    `turned(path, value)` lays a weight's axes as the parameter has them; done twice, as they were. Weights are read
    block by block into memory that becomes the parameter's own, by as many threads as there are cores and the largest
    first: beside the model little more than a block for each thread is held.

    Raises:
      InputError: a file cannot be read any more.
    """
    order = sorted(stored, key=lambda path: -math.prod(shapes[path].shape))

    def read(path: str) -> np.ndarray:
        kept = _aligned(shapes[path].shape)
        layers = kept.reshape(len(stored[path]), *turned(path, np.broadcast_to(0, stored[path][0].shape)).shape)
        for number, weight in enumerate(stored[path]):
            _fill(np.atleast_1d(turned(path, layers[number, ...])), weight)
        return kept

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip(order, map(jax.device_put, threads.map(read, order)), strict=True))


def same_values(one: Stored, other: Stored) -> bool:
    """Whether two weights agree in every number, told without holding either."""
    comparable = one.shape == other.shape and {one.dtype, other.dtype} <= set(DTYPES)
    return comparable and all(
        np.array_equal(one.rows(part.start, part.stop), other.rows(part.start, part.stop)) for part in one.blocks()
    )


def _fill(memory: np.ndarray, weight: Stored) -> None:
    for part in weight.blocks():
        memory[part] = weight.rows(part.start, part.stop)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    size = np.dtype(np.float32).itemsize * math.prod(shape)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(np.float32).reshape(shape)
