"""The Triton kernels of the sliding window; `window_triton` says what they are for and hands them their blocks.

Inside a kernel all arrays are references to one head's rows, or blocks loaded from them. Logarithms are to base 2, as
the machine has no other exponential.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from ops.attention import MASKED
from ops.window_arrays import exact, keep_mask_in_kernel, kept_share
from ops.window_blocks import Band

CHUNK = 8  # blocks of queries that one program of the slots' gradient walks over


class Plan(NamedTuple):
    """What is known before the data. All sizes of blocks are powers of two from 16 up."""

    band: Band
    scale: float  # of a score, which is then a logarithm to base 2
    queries: int  # in a block
    keys: int  # in a block
    slots: int  # in a block
    interpret: bool

    def whole(self, queries: int, keys: int, slots: int) -> tuple[int, int, int]:
        """The lengths, each padded to whole blocks."""
        return tuple(-(-n // b) * b for n, b in ((queries, self.queries), (keys, self.keys), (slots, self.slots)))


def attend_kernel(plan, mine, theirs, slots, seed, out, lse):
    """A block of `out` [T K] and of `lse` [T]."""
    n, mine = pl.program_id(0), _load(mine, 0, plan.queries)

    def step(block, first, carry):
        total, top, acc = carry
        scores, keep = _scores(plan, mine, block, n * plan.queries, first, seed)
        new = jnp.maximum(top, scores.max(1))
        weights, shrink = jnp.exp2(scores - new[:, None]), jnp.exp2(top - new)
        total = total * shrink + weights.sum(1)
        kept = weights if keep is None else jnp.where(keep, weights, 0.0)
        return total, new, acc * shrink[:, None] + _dot(kept.astype(block.v.dtype), block.v, 1, 0)

    # The floor lies far above MASKED: a query with nothing to see has exp2(MASKED / 2) = 0 everywhere.
    zeros = jnp.zeros((plan.queries,), lse.dtype)
    start = zeros, zeros + MASKED / 2, jnp.zeros(mine.q.shape, lse.dtype)
    total, top, acc = _walk(plan, step, start, n, theirs, slots)
    # A query of group 0 has looked at the keys of group 0, and what it found is thrown away here.
    total = jnp.where(mine.groups != 0, total, 0.0)
    safe = jnp.where(total > 0, total, 1.0)
    found = jnp.where((total > 0)[:, None], acc / (safe * kept_share(plan.band, seed))[:, None], 0.0)
    out[...] = found.astype(out.dtype)
    lse[...] = jnp.where(total > 0, top + jnp.log2(safe), -MASKED)


def queries_kernel(plan, mine, theirs, slots, seed, dq):
    """A block of `dq` [T K]."""
    n, mine = pl.program_id(0), _load(mine, 0, plan.queries)

    def step(block, first, acc):
        _, d_scores = _pull(plan, mine, block, n * plan.queries, first, seed)
        return acc + _dot(d_scores.astype(block.k.dtype), block.k, 1, 0)

    acc = _walk(plan, step, jnp.zeros(mine.q.shape, mine.lse.dtype), n, theirs, slots)
    dq[...] = (acc * (plan.scale * math.log(2))).astype(dq.dtype)


def keys_kernel(plan, mine, theirs, seed, dk, dv):
    """A block of `dk` and `dv` [S K], from the queries whose windows touch it."""
    first, band = pl.program_id(0) * plan.keys - plan.band.shift, plan.band
    blocks = _touched(first - band.after, first + plan.keys - 1 + band.before, plan.queries, mine.q.shape[0])
    _sum_over_queries(plan, mine, _load(theirs, 0, plan.keys), pl.program_id(0) * plan.keys, seed, blocks, (dk, dv))


def slots_kernel(plan, mine, slots, seed, dk, dv):
    """What a chunk of the queries gives to a block of `dk` and `dv` [G K]."""
    first = pl.program_id(1) * CHUNK
    blocks = first, jnp.minimum(first + CHUNK, mine.q.shape[0] // plan.queries)
    _sum_over_queries(plan, mine, _load(slots, 0, plan.slots), None, seed, blocks, (dk, dv))


def _sum_over_queries(plan, mine, theirs, first, seed, blocks, grads):
    def step(n, carry):
        dk, dv = carry
        block = _load(mine, n * plan.queries, plan.queries)
        kept, d_scores = _pull(plan, block, theirs, n * plan.queries, first, seed, keys_first=True)
        dk = dk + _dot(d_scores.astype(block.q.dtype), block.q, 1, 0)
        return dk, dv + _dot(kept.astype(block.q.dtype), block.d_out, 1, 0)

    zeros = jnp.zeros(theirs.k.shape, mine.lse.dtype)
    dk, dv = lax.fori_loop(*blocks, step, (zeros, zeros))
    grads[0][...] = (dk * (plan.scale * math.log(2))).astype(grads[0].dtype)
    grads[1][...] = (dv / kept_share(plan.band, seed)).astype(grads[1].dtype)


def _walk(plan, step, carry, n, theirs, slots):
    """`step(block, index of its first key or None, carry)` over what block `n` of the queries may see."""
    first, band = n * plan.queries + plan.band.shift, plan.band
    blocks = _touched(first - band.before, first + plan.queries - 1 + band.after, plan.keys, theirs.k.shape[0])

    def near(n, carry):
        return step(_load(theirs, n * plan.keys, plan.keys), n * plan.keys, carry)

    def far(n, carry):
        return step(_load(slots, n * plan.slots, plan.slots), None, carry)

    carry = lax.fori_loop(*blocks, near, carry)
    return (
        carry if slots is None else lax.fori_loop(jnp.int32(0), jnp.int32(slots.k.shape[0] // plan.slots), far, carry)
    )


def _touched(first, last, size, length):
    """The blocks of `size` in `length` that hold any of the places `first` to `last`: from, up to but without."""
    return tuple(lax.div(jnp.clip(x, 0, length), jnp.int32(size)) for x in (first, last + size))


def _pull(plan, mine, theirs, query, key, seed, keys_first=False):
    """The weights that dropout kept, not yet scaled up, and the gradient of the scores; both [T S], or [S T]."""
    ours = (lambda x: x[None, :]) if keys_first else (lambda x: x[:, None])
    pair = (theirs.v, mine.d_out) if keys_first else (mine.d_out, theirs.v)
    scores, keep = _scores(plan, mine, theirs, query, key, seed, keys_first)
    weights, d_weights = jnp.exp2(scores - ours(mine.lse)), _dot(*pair, 1, 1)
    kept = weights
    if keep is not None:
        kept = jnp.where(keep, weights, 0.0)
        d_weights = jnp.where(keep, d_weights / kept_share(plan.band, seed), 0.0)
    return kept, weights * (d_weights - ours(mine.delta))


def _scores(plan, mine, theirs, query, key, seed, keys_first=False):
    """Scores [T S], or [S T], and which of them dropout keeps. `query`, `key`: indices of the first; None for slots."""
    ours, their = (lambda x: x[:, None]), (lambda x: x[None, :])
    if keys_first:
        ours, their = their, ours
    scores = _dot(*((theirs.k, mine.q) if keys_first else (mine.q, theirs.k)), 1, 1) * plan.scale
    see = ours(mine.groups) == their(theirs.groups)
    if key is not None:
        distance = their(key + _count(theirs.k)) - ours(query + plan.band.shift + _count(mine.q))
        see = see & (distance >= -plan.band.before) & (distance <= plan.band.after)
    elif plan.band.causal:
        see = see & (their(theirs.places) <= ours(mine.places))
    keep = None
    if seed is not None:
        keep = keep_mask_in_kernel(seed, ours(mine.rows), their(theirs.places), rate=plan.band.dropout_rate)
    return jnp.where(see, scores, MASKED), keep


def _count(x):
    return lax.iota(jnp.int32, x.shape[0])


def _dot(a, b, i, j):
    """Product of matrices over axis `i` of `a` and `j` of `b`."""
    return lax.dot_general(a, b, (((i,), (j,)), ((), ())), preferred_element_type=exact(a))


def _load(refs, first, size):
    return jax.tree.map(lambda ref: ref[pl.ds(first, size)], refs)
