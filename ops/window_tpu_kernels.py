"""The Mosaic (TPU) kernels of the sliding window; `window_tpu` says what they are for and hands them their blocks.

Inside a kernel all arrays are references to blocks whose last axis is tokens: [K T] of queries, [K S] of keys, [1 T]
and [1 S] of numbers. Scores are [S T]: the softmax runs down the rows, which needs no sums across lanes, and a running
maximum is a row. A TPU walks through a grid in order, so what a block of queries finds is kept from step to step in
memory of the core.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from ops.attention import MASKED
from ops.window_arrays import exact, keep_mask_in_kernel, kept_share
from ops.window_blocks import Band

FAR = 2**30  # blocks


class Walk(NamedTuple):
    """The steps of block `n` over the blocks from n + `first` to n + `last`, of those there are: 0 to `blocks` - 1.

    All blocks take equally many steps. A walk that would leave an end starts earlier or later, and so comes by blocks
    that it does not touch.
    """

    first: int
    last: int
    blocks: int

    @property
    def steps(self) -> int:
        return min(self.last - self.first + 1, self.blocks)

    def block(self, n, j):
        """Where step `j` stands. Steps past the last stand still, so that nothing is fetched for them."""
        return jnp.clip(n + self.first, 0, self.blocks - self.steps) + jnp.minimum(j, self.steps - 1)

    def touches(self, n, j):
        block = self.block(n, j)
        return (j < self.steps) & (block >= n + self.first) & (block <= n + self.last)


class Plan(NamedTuple):
    """What is known before the data."""

    band: Band
    scale: float  # of a score; the queries come multiplied by it
    queries: int  # blocks of `size`
    keys: int  # blocks of `size`
    slots: int  # blocks of `slot_size`
    size: int
    slot_size: int
    interpret: bool

    @property
    def steps(self) -> int:
        """Of a block of queries over keys and slots, both at once."""
        return max(self.over_keys.steps, self.over_slots.steps)

    @property
    def over_keys(self) -> Walk:
        """From a block of queries over the keys that its windows touch."""
        first, size = self.band.shift, self.size
        return Walk((first - self.band.before) // size, (first + size - 1 + self.band.after) // size, self.keys)

    @property
    def over_slots(self) -> Walk:
        """From a block of queries over all slots."""
        return Walk(-FAR, FAR, self.slots)

    @property
    def over_queries(self) -> Walk:
        """From a block of keys over the queries whose windows touch it."""
        first, size = -self.band.shift, self.size
        return Walk((first - self.band.after) // size, (first + size - 1 + self.band.before) // size, self.queries)

    @property
    def over_all_queries(self) -> Walk:
        """From a block of slots over all queries."""
        return Walk(-FAR, FAR, self.queries)


def attend_kernel(plan, mine, theirs, slots, seed, out, lse, acc, total):
    """A block of `out` [K T] and of `lse` [1 T], with memory for the sums of values and of weights."""
    top = lse  # until the end

    def start():
        acc[...] = jnp.zeros(acc.shape, acc.dtype)
        total[...] = jnp.zeros(total.shape, total.dtype)
        # Far above MASKED: a query with nothing to see has exp(MASKED / 2) = 0 everywhere.
        top[...] = jnp.full(top.shape, MASKED / 2, top.dtype)

    def look(block, query, key):
        scores, keep = _scores(plan, mine, block, query, key, seed)
        new = jnp.maximum(top[...], scores.max(0, keepdims=True))
        weights, shrink = jnp.exp(scores - new), jnp.exp(top[...] - new)
        kept = weights if keep is None else jnp.where(keep, weights, 0.0)
        total[...] = total[...] * shrink + weights.sum(0, keepdims=True)
        acc[...] = acc[...] * shrink + _dot(block.v[...], kept.astype(block.v.dtype), 1, 0)
        top[...] = new

    def end():
        # A query of group 0 has looked at the keys of group 0, and what it found is thrown away here.
        found = (total[...] > 0) & (mine.groups[...] != 0)
        safe = jnp.where(found, total[...], 1.0)
        out[...] = jnp.where(found, acc[...] / (safe * kept_share(plan.band, seed)), 0.0).astype(out.dtype)
        lse[...] = jnp.where(found, top[...] + jnp.log(safe), -MASKED)

    _walk_from_queries(plan, theirs, slots, start, look, end)


def queries_kernel(plan, mine, theirs, slots, seed, dq, acc):
    """A block of `dq` [K T]."""

    def start():
        acc[...] = jnp.zeros(acc.shape, acc.dtype)

    def look(block, query, key):
        _, d_scores = _pull(plan, mine, block, query, key, seed)
        acc[...] += _dot(block.k[...], d_scores.astype(block.k.dtype), 1, 0)

    def end():
        dq[...] = (acc[...] * plan.scale).astype(dq.dtype)

    _walk_from_queries(plan, theirs, slots, start, look, end)


def keys_kernel(plan, mine, theirs, seed, dk, dv, acc_k, acc_v):
    """A block of `dk` and `dv` [K S], from the queries whose windows touch it."""
    n, j, walk = pl.program_id(2), pl.program_id(3), plan.over_queries
    at = walk.block(n, j) * plan.size, n * plan.size
    _sum_over_queries(plan, mine, theirs, at, walk.touches(n, j), seed, (dk, dv), (acc_k, acc_v))


def slots_kernel(plan, mine, slots, seed, dk, dv, acc_k, acc_v):
    """A block of `dk` and `dv` [K G], from all queries."""
    touched = plan.over_all_queries.touches(pl.program_id(2), pl.program_id(3))
    _sum_over_queries(plan, mine, slots, (None, None), touched, seed, (dk, dv), (acc_k, acc_v))


def _walk_from_queries(plan, theirs, slots, start, look, end):
    """`look(block, index of its first query, of its first key or None)` at the keys, and at the slots meanwhile."""
    n, j, walk = pl.program_id(2), pl.program_id(3), plan.over_keys
    query, key = n * plan.size, walk.block(n, j) * plan.size
    pl.when(j == 0)(start)
    pl.when(walk.touches(n, j))(lambda: look(theirs, query, key))
    if slots is not None:
        pl.when(j < plan.over_slots.steps)(lambda: look(slots, query, None))
    pl.when(j == pl.num_programs(3) - 1)(end)


def _sum_over_queries(plan, mine, theirs, at, touched, seed, grads, sums):
    j, last = pl.program_id(3), pl.num_programs(3) - 1

    @pl.when(j == 0)
    def start():
        for acc in sums:
            acc[...] = jnp.zeros(acc.shape, acc.dtype)

    @pl.when(touched)
    def look():
        kept, d_scores = _pull(plan, mine, theirs, *at, seed)
        sums[0][...] += _dot(mine.q[...], d_scores.astype(mine.q.dtype), 1, 1)
        sums[1][...] += _dot(mine.d_out[...], kept.astype(mine.q.dtype), 1, 1)

    @pl.when(j == last)
    def end():
        grads[0][...] = sums[0][...].astype(grads[0].dtype)
        grads[1][...] = (sums[1][...] / kept_share(plan.band, seed)).astype(grads[1].dtype)


def _pull(plan, mine, theirs, query, key, seed):
    """The weights that dropout kept, not yet scaled up, and the gradient of the scores; both [S T]."""
    scores, keep = _scores(plan, mine, theirs, query, key, seed)
    weights, d_weights = jnp.exp(scores - mine.lse[...]), _dot(theirs.v[...], mine.d_out[...], 0, 0)
    kept = weights
    if keep is not None:
        kept = jnp.where(keep, weights, 0.0)
        d_weights = jnp.where(keep, d_weights / kept_share(plan.band, seed), 0.0)
    return kept, weights * (d_weights - mine.delta[...])


def _scores(plan, mine, theirs, query, key, seed):
    """Scores [S T], and which of them dropout keeps. `query`, `key`: indices of the first; None for slots."""
    scores, band = _dot(theirs.k[...], mine.q[...], 0, 0), plan.band
    see = _column(theirs.groups) == mine.groups[...]
    if key is not None:
        own = query + band.shift + lax.broadcasted_iota(jnp.int32, mine.groups.shape, 1)  # [1 T]
        distance = key + lax.broadcasted_iota(jnp.int32, (plan.size, 1), 0) - own
        see = see & (distance >= -band.before) & (distance <= band.after)
    elif band.causal:
        see = see & (_column(theirs.places) <= mine.places[...])
    keep = None
    if seed is not None:
        keep = keep_mask_in_kernel(seed, mine.rows[...], _column(theirs.places), rate=band.dropout_rate)
    return jnp.where(see, scores, MASKED), keep


def _column(numbers):
    """[S 1] of [1 S]."""
    return numbers[...].reshape(-1, 1)


def _dot(a, b, i, j):
    """Product of matrices over axis `i` of `a` and `j` of `b`.

    In float32 as precise as `jax.default_matmul_precision` says, as elsewhere in JAX. Two bfloat16 multiply exactly,
    and Mosaic refuses to be told to.
    """
    precision = lax.Precision.DEFAULT if a.dtype == jnp.bfloat16 else None
    form = (((i,), (j,)), ((), ()))
    return lax.dot_general(a, b, form, precision=precision, preferred_element_type=exact(a))
