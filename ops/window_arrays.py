"""What the kernels of the sliding window share, whatever machine they are for: the arrays that they take, how they are
called.

A kernel is handed references to blocks of these; how arrays are laid out and padded is its wrapper's affair.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ops.dropout import keep_mask, keep_probability

# Inside a kernel the seed is a reference to two words in memory, which the tests' check of shapes takes for no array.
keep_mask_in_kernel = inspect.unwrap(keep_mask)


class Queries(NamedTuple):
    """Arrays, in a kernel references to one head's rows of them, or blocks of these. None: not needed."""

    q: jax.Array  # [B T H K]
    groups: jax.Array  # [B T]
    places: jax.Array | None  # [B T], if slots are causal
    rows: jax.Array | None  # [B H T], of the dropout mask
    d_out: jax.Array | None = None  # [B T H K]
    lse: jax.Array | None = None  # [B H T]
    delta: jax.Array | None = None  # [B H T]


class Keys(NamedTuple):
    """The like for keys [B S] or slots [B G]."""

    k: jax.Array  # [B S H K]
    v: jax.Array  # [B S H K]
    groups: jax.Array  # [B S]
    places: jax.Array | None  # [B S]


def differentiable(forward: Callable, backward: Callable) -> Callable:
    """`attend(interpret, band, q, k, v, slot_k, slot_v, sight)`, whose value and gradient the two give.

    With `interpret` the kernels run as XLA operations on any machine: slow, for tests.
    """

    @partial(jax.custom_vjp, nondiff_argnums=(0, 1))
    def attend(interpret, band, *arrays):
        return forward(interpret, band, *arrays)[0]

    attend.defvjp(forward, backward)
    return attend


def arrays_needed(band, q, k, v, slot_k, slot_v, sight):
    """Queries, keys and slots (None: no slots), without what this call does not need."""
    drops, causal_slots = sight.seed is not None, band.causal and slot_k.shape[1] > 0
    rows = sight.rows[:, :, None] + sight.query_places[:, None, :].astype(jnp.uint32) if drops else None
    mine = Queries(q, sight.queries, sight.query_places if causal_slots else None, rows)
    theirs = Keys(k, v, sight.keys, sight.key_places if drops else None)
    if not slot_k.shape[1]:
        return mine, theirs, None
    return mine, theirs, Keys(slot_k, slot_v, sight.slots, sight.slot_places if drops or causal_slots else None)


def weighted_d_weights(out, d_out):
    """The sum over a query's keys of weight * d_weight, [B H T]: it is out . d_out, dropout or not."""
    return (out.astype(exact(out)) * d_out.astype(exact(out))).sum(-1).swapaxes(1, 2)


def kept_share(band, seed):
    """What the weights that dropout kept are divided by."""
    return 1.0 if seed is None else keep_probability(band.dropout_rate)


def pad(x, lengths):
    """`x` with zeros behind, so that the axes are as long as `lengths` says."""
    if all(x.shape[axis] == length for axis, length in lengths.items()):
        return x
    return jnp.pad(x, [(0, lengths.get(axis, n) - n) for axis, n in enumerate(x.shape)])


def exact(x):
    """The type in which products of `x` are summed up."""
    return jnp.promote_types(x.dtype, jnp.float32)
