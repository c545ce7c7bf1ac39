"""Dropout whose mask is a hash of (key, position), so it costs little and does not depend on how an array is cut.

Each element's 32 bits come from the finalizer of MurmurHash3 over its coordinates and two words drawn from the key. The
hash is elementwise: XLA fuses it into the surrounding loop, a sharded array draws the same mask as a whole one, and a
blocked attention draws the same mask as a dense one. It is no source of randomness for anything but dropout.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, UInt32

from errors import InputError

_GOLDEN = 0x9E3779B9  # 2**32 / golden ratio: consecutive indices land far apart
_TWO_32 = 2**32


def keep_probability(rate: float) -> float:
    """The probability that `keep_mask` realises for `rate`: within 2**-33 of 1 - rate."""
    return 1.0 - _threshold(rate) / _TWO_32


def seed_words(key: Array) -> UInt32[Array, "2"]:
    """Two 32-bit words that stand for the key in `keep_mask`."""
    return jax.random.bits(key, (2,), jnp.uint32)


def keep_mask(
    seed: UInt32[Array, "2"], rows: Integer[Array, "..."], columns: Integer[Array, "..."], *, rate: float
) -> Bool[Array, "..."]:
    """True where an element stays. `rows` and `columns` are coordinates that broadcast against each other."""
    row = rows.astype(jnp.uint32)
    first = _mix(row * jnp.uint32(_GOLDEN) + seed[0])  # two words per row: rows agree with probability 2**-64
    second = _mix(row ^ seed[1])
    bits = columns.astype(jnp.uint32) * jnp.uint32(_GOLDEN) + first
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
    bits = bits ^ second
    bits = (bits ^ (bits >> 13)) * jnp.uint32(0xC2B2AE35)
    bits = bits ^ (bits >> 16)
    return bits >= jnp.uint32(_threshold(rate))


def dropout(x: Float[Array, "..."], rate: float, key: Array | None) -> Float[Array, "..."]:
    """Zero each element with probability `rate` and scale the rest so that the expectation is `x`.

    A `key` of None or a `rate` of 0 returns `x`. The mask depends on `key` and `x.shape` alone.

    Raises:
      InputError: if `rate` is outside [0, 1).
    Source: Srivastava et al. 2014, section 4, in the inverted form.
    """
    if key is None or _threshold(rate) == 0:
        return x
    if x.ndim == 0:
        raise InputError("dropout needs an array with at least one axis.")
    rows = _flat_index(x.shape[:-1])[..., None]
    columns = jnp.arange(x.shape[-1], dtype=jnp.uint32).reshape((1,) * (x.ndim - 1) + (-1,))
    keep = keep_mask(seed_words(key), rows, columns, rate=rate)
    return jnp.where(keep, x * jnp.asarray(1.0 / keep_probability(rate), x.dtype), jnp.zeros((), x.dtype))


def _threshold(rate: float) -> int:
    if not 0.0 <= rate < 1.0:
        raise InputError(f"A dropout rate must be at least 0 and below 1, got {rate}.")
    return min(round(rate * _TWO_32), _TWO_32 - 1)


def _mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """The finalizer of MurmurHash3: every input bit reaches every output bit."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _flat_index(shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Row-major index of each position, as a sum of one iota per axis so that a sharded axis stays sharded."""
    index = jnp.zeros(shape, jnp.uint32)
    stride = 1
    for axis in reversed(range(len(shape))):
        index = index + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride % _TWO_32)
        stride *= shape[axis]
    return index
