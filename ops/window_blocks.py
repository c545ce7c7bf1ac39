"""The loop over blocks of queries behind the sliding window, and its gradient.

A block looks at parts: the slice of keys that its windows span, and the slots of the global keys. One softmax runs over
all parts. A further pattern (random blocks, say) is one more part. Everything inside the loop is the size of a block.

Queries [B T H K] and keys [B S H K] need not be the same tokens: `Band.shift` says which key is the first query's own.
So one device's share of a long row, with the edges of its neighbours, is attended by the same loop.

The backward pass recomputes each block's probabilities from the saved log-sum-exp (Dao et al. 2022, section 3.1 and
appendix B). Scores hold the keys before the queries, [B H S T]: the softmax then runs over rows, which vectorises, and
most matrix products are of the form that needs no transposed copy.
"""

from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import dynamic_slice, dynamic_slice_in_dim, dynamic_update_slice
from jaxtyping import Array, Bool, Float, Int, UInt32

from ops.attention import MASKED
from ops.dropout import keep_mask, keep_probability


class Band(NamedTuple):
    """What is known before the data: a query sees `before` keys ahead of its own and `after` behind it."""

    before: int
    after: int
    block: int  # queries taken at a time
    heads: int  # heads taken at a time
    dropout_rate: float = 0.0
    shift: int = 0  # index of the key that is the first query's own token
    causal: bool = False  # slots of later places are not seen; the band itself is causal by `after` = 0

    def sizes(self, queries: int, keys: int) -> tuple[int, int, int]:
        """Number of blocks, queries in a block, keys that a block's windows span."""
        rows = min(self.block, queries)
        return -(-queries // rows), rows, min(keys, rows + self.before + self.after)


class Sight(NamedTuple):
    """Who may see whom, beside the distance: equal non-zero groups.

    Places number the tokens of a row. With `rows` (a number for each example and head, to which a query's place is
    added) they are the coordinates of the dropout mask, which `seed` draws; None: no dropout.
    """

    queries: Int[Array, "B T"]
    keys: Int[Array, "B S"]  # 0 at the global tokens, which are seen through their slots alone
    slots: Int[Array, "B G"]
    query_places: Int[Array, "B T"]
    key_places: Int[Array, "B S"]
    slot_places: Int[Array, "B G"]
    rows: UInt32[Array, "B H"]
    seed: UInt32[Array, "2"] | None


class At(NamedTuple):
    """Where a block lies: its first head, its first query, and the first key that its windows span."""

    head: Int[Array, ""]
    query: Int[Array, ""]
    key: Int[Array, ""]


class Part(NamedTuple):
    """Keys that a block looks at, and which of its queries see and keep them."""

    k: Float[Array, "B H S K"]
    v: Float[Array, "B H S K"]
    see: Bool[Array, "B 1 S T"]
    keep: Bool[Array, "B H S T"] | None


def heads_in_a_block(batch: int, heads: int) -> int:
    """All heads on an accelerator; on a CPU as many as divide `heads` and leave a block's scores in the cache."""
    if jax.default_backend() != "cpu":
        return heads
    most = max(1, 4 // batch)
    return max(h for h in range(1, heads + 1) if heads % h == 0 and h <= most)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def attend_in_blocks(band, q, k, v, slot_k, slot_v, sight):
    """Attention of q [B T H K] over k, v [B S H K] within the band and over slot_k, slot_v [B G H K].

    Its first derivatives only.
    """
    return _forward(band, q, k, v, slot_k, slot_v, sight)[0]


def _forward(band, q, k, v, slot_k, slot_v, sight):
    B, T, H, _ = q.shape

    def step(n, carry):
        out, lse = carry
        at = _place(band, n, T, k.shape[1])
        queries, parts = _look(band, at, q, k, v, slot_k, slot_v, sight)
        scores = [_scores(part, queries) for part in parts]
        # The floor lies far above MASKED: a query with nothing to see has exp(MASKED / 2) = 0 everywhere.
        top = reduce(jnp.maximum, (s.max(2, keepdims=True) for s in scores), MASKED / 2)
        weights = [jnp.exp(s - top) for s in scores]
        total = sum(w.sum(2, keepdims=True) for w in weights)  # [B H 1 T]
        safe = jnp.where(total > 0, total, 1.0)
        kept = [_thin(band, w, part).astype(v.dtype) for w, part in zip(weights, parts, strict=True)]
        block = sum(_dot("bhsk,bhst->bhkt", part.v, w) for w, part in zip(kept, parts, strict=True)) / safe
        block_lse = jnp.where(total > 0, top + jnp.log(safe), -MASKED)[:, :, 0]
        out = _put(out, block.swapaxes(2, 3), at.head, at.query)
        return out, dynamic_update_slice(lse, block_lse, (0, at.head, at.query))

    empty = jnp.zeros(q.shape, v.dtype), jnp.zeros((B, H, T), _exact(q))
    out, lse = jax.lax.fori_loop(0, _steps(band, q, k), step, empty)
    return out, (q, k, v, slot_k, slot_v, sight, out, lse)


def _backward(band, saved, d_out):
    q, k, v, slot_k, slot_v, sight, out, lse = saved
    T, S = q.shape[1], k.shape[1]
    # sum_s weight * d_weight = out . d_out, dropout or not. [B H T]
    delta = (out.astype(_exact(q)) * d_out.astype(_exact(q))).sum(-1).swapaxes(1, 2)

    def step(n, grads):
        dq, dk, dv, d_slot_k, d_slot_v = grads
        at = _place(band, n, T, S)
        queries, parts = _look(band, at, q, k, v, slot_k, slot_v, sight)
        up = _take(d_out, at.head, at.query, queries)
        row_lse, row_delta = _rows(lse, at, queries), _rows(delta, at, queries)
        row_lse = jnp.where(_fresh(band, n, at, T, S), row_lse, -MASKED)  # weight 0
        d_queries, d_parts = [], []
        for part in parts:
            weights = jnp.exp(_scores(part, queries) - row_lse)
            d_weights = _thin(band, _dot("bhsk,bhtk->bhst", part.v, up), part)
            d_scores = (weights * (d_weights - row_delta)).astype(q.dtype)
            d_values = _dot("bhst,bhtk->bhsk", _thin(band, weights, part).astype(q.dtype), up)
            d_parts.append((_dot("bhst,bhtk->bhsk", d_scores, queries), d_values))
            d_queries.append(_dot("bhsk,bhst->bhkt", part.k, d_scores))
        dq = _add(dq, sum(d_queries).swapaxes(2, 3) * q.shape[-1] ** -0.5, at.head, at.query)
        (d_k, d_v), *d_slots = d_parts
        dk, dv = _add(dk, d_k, at.head, at.key), _add(dv, d_v, at.head, at.key)
        for d_k, d_v in d_slots:
            d_slot_k, d_slot_v = _add(d_slot_k, d_k, at.head, 0), _add(d_slot_v, d_v, at.head, 0)
        return dq, dk, dv, d_slot_k, d_slot_v

    # Heads first [B H S K], so that a block is added to rows that lie together: a tenth faster on a CPU.
    zeros = tuple(jnp.zeros(x.shape, _exact(q)).swapaxes(1, 2) for x in (q, k, v, slot_k, slot_v))
    grads = jax.lax.fori_loop(0, _steps(band, q, k), step, zeros)
    return *(g.swapaxes(1, 2).astype(q.dtype) for g in grads), None


attend_in_blocks.defvjp(_forward, _backward)


def _steps(band, q, k):
    return band.sizes(q.shape[1], k.shape[1])[0] * (q.shape[2] // band.heads)


def _place(band, n, T, S):
    """Block `n` of all heads' blocks. The last block reaches back so that it is full; so do the keys at both ends."""
    blocks, rows, span = band.sizes(T, S)
    query = jnp.minimum(n % blocks * rows, T - rows)
    return At(n // blocks * band.heads, query, jnp.clip(query + band.shift - band.before, 0, S - span))


def _fresh(band, n, at, T, S):
    """False at the queries that the block before the last has had, [1 1 1 T]; True elsewhere."""
    blocks, rows, _ = band.sizes(T, S)
    return (at.query + jnp.arange(rows) >= n % blocks * rows)[None, None, None]


def _look(band, at, q, k, v, slot_k, slot_v, sight):
    """The block's scaled queries [B H T K] and the parts that they look at."""
    B, T, _, K = q.shape
    _, rows, span = band.sizes(T, k.shape[1])
    like = jax.ShapeDtypeStruct((B, band.heads, rows, K), q.dtype)
    queries = _take(q, at.head, at.query, like) * jnp.asarray(K**-0.5, q.dtype)
    distance = (at.key + jnp.arange(span))[:, None] - (at.query + jnp.arange(rows) + band.shift)[None, :]  # [S T]
    near = (distance >= -band.before) & (distance <= band.after)
    mine, places = (dynamic_slice_in_dim(x, at.query, rows, 1) for x in (sight.queries, sight.query_places))
    theirs, columns = (dynamic_slice_in_dim(x, at.key, span, 1) for x in (sight.keys, sight.key_places))

    def part(k, v, first, groups, columns, see):
        size = jax.ShapeDtypeStruct((B, band.heads, groups.shape[1], K), k.dtype)
        see = see & (mine[:, None, :] == groups[:, :, None]) & (groups != 0)[:, :, None]
        keep = None
        if sight.seed is not None:
            first_row = dynamic_slice_in_dim(sight.rows, at.head, band.heads, 1)
            mask_rows = first_row[:, :, None, None] + places[:, None, None, :].astype(jnp.uint32)  # [B H 1 T]
            keep = keep_mask(sight.seed, mask_rows, columns[:, None, :, None], rate=band.dropout_rate)
        return Part(_take(k, at.head, first, size), _take(v, at.head, first, size), see[:, None], keep)

    parts = [part(k, v, at.key, theirs, columns, near[None])]
    if slot_k.shape[1]:
        past = sight.slot_places[:, :, None] <= places[:, None, :]
        parts.append(part(slot_k, slot_v, 0, sight.slots, sight.slot_places, past if band.causal else True))
    return queries, parts


def _scores(part, queries):
    return jnp.where(part.see, _dot("bhsk,bhtk->bhst", part.k, queries), MASKED)


def _thin(band, weights, part):
    return weights if part.keep is None else jnp.where(part.keep, weights / keep_probability(band.dropout_rate), 0.0)


def _exact(x):
    return jnp.promote_types(x.dtype, jnp.float32)


def _dot(form, a, b):
    return jnp.einsum(form, a, b, preferred_element_type=_exact(a))


def _rows(x, at, queries):
    """A block of x [B H S] as [B H 1 T]."""
    return dynamic_slice(x, (0, at.head, at.query), queries.shape[:3])[:, :, None]


def _take(x, head, first, like):
    """A block of x [B S H K] as [B H S K], of the shape of `like`."""
    B, H, S, K = like.shape
    return dynamic_slice(x, (0, first, head, 0), (B, S, H, K)).swapaxes(1, 2)


def _put(x, block, head, first):
    """x [B S H K] with `block` [B H S K] in its place."""
    return dynamic_update_slice(x, block.swapaxes(1, 2).astype(x.dtype), (0, first, head, 0))


def _add(total, block, head, first):
    """total [B H S K] with `block` added in its place."""
    at = (0, head, first, 0)
    return dynamic_update_slice(total, dynamic_slice(total, at, block.shape) + block, at)
