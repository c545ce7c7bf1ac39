"""A digest of each array of a pytree, computed where the arrays lie, the same on any mesh and any number of devices.

The word w (32 bits) at place i of an array becomes t = mix(w ^ (a i + b)) and u = mix'(t ^ i), where a mix multiplies
by odd numbers and xor-shifts, so that at each place it maps words one to one; t and u are added up over the array,
modulo 2**32, and the two sums are the digest. Hence

- one changed word, and so every flipped bit, always changes the first sum;
- any other damage that does not aim at the digest (a zeroed or moved block, swapped rows, noise) goes unseen with
  probability 2**-64 an array, as for two sums that are random (tests/training/test_digest.py counts);
- an array in the place of another is seen wherever the two differ, since digests are kept by path.

It guards against disks and bugs, not against a forger. Sums of integers do not depend on their order: sharding changes
nothing. Measured on two cores: 108 M float32 words in 0.05 s, without a copy of any array.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

WORDS = {1: jnp.uint8, 2: jnp.uint16}  # by the bytes of an element; wider elements become several words of four bytes
Sums = Mapping[str, jax.Array]  # by path, [2] uint32, perhaps not computed yet


def start_digests(tree: Any) -> Sums:
    """Dispatches the work and returns; the arrays may be donated to a later computation at once."""
    sums = {name: _sums(leaf) for name, leaf in by_path(tree).items()}
    for array in sums.values():
        array.copy_to_host_async()
    return sums


def finish_digests(sums: Sums) -> dict[str, str]:
    """Waits for the sums; 16 hexadecimal digits for each path."""
    return {name: "".join(f"{word:08x}" for word in np.asarray(array)) for name, array in sums.items()}


def by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their path, such as `opt_state/1/0/mu/encoder.norm.scale`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    if len(named) != len(leaves):
        raise ValueError("two leaves of the tree have the same path")
    return named


@jax.jit
def _sums(array: jax.Array) -> jax.Array:
    words = _words(array)
    place = jnp.uint32(0)
    stride = 1
    for axis in reversed(range(words.ndim)):  # by axes, not over a flat view: a sharded array stays where it lies
        place = place + jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis) * jnp.uint32(stride % 2**32)
        stride *= words.shape[axis]
    one = _mixed(words ^ (place * jnp.uint32(0x9E3779B1) + jnp.uint32(0x7F4A7C15)), 0x85EBCA6B, 0xC2B2AE35)
    both = one, _mixed(one ^ place, 0x27D4EB2F, 0x165667B1)
    both = _added(both, range(1, words.ndim))  # the two sums in one pass: apart, XLA would write `one` to memory
    return jnp.stack(_added(both, [0]))


def _mixed(words: jax.Array, first: int, second: int) -> jax.Array:
    """One to one, as in MurmurHash3's finalizer."""
    words = words * jnp.uint32(first)
    words = (words ^ (words >> 15)) * jnp.uint32(second)
    return words ^ (words >> 13)


def _added(both: tuple[jax.Array, jax.Array], axes: Any) -> tuple[jax.Array, jax.Array]:
    zeros = (jnp.uint32(0), jnp.uint32(0))
    return jax.lax.reduce(both, zeros, lambda a, b: (a[0] + b[0], a[1] + b[1]), tuple(axes))


def _words(array: jax.Array) -> jax.Array:
    """Every bit of the array in words of 32, with at least one axis."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    if array.dtype == jnp.bool_:
        array = array.astype(jnp.uint8)
    array = jnp.atleast_1d(array)
    narrow = WORDS.get(array.dtype.itemsize)
    if narrow is not None:
        return jax.lax.bitcast_convert_type(array, narrow).astype(jnp.uint32)
    return jax.lax.bitcast_convert_type(array, jnp.uint32)  # [... 2] for elements of eight bytes
