"""Sliding-window attention with global keys, in time and memory linear in the length.

Queries are cut into blocks; a block looks at the global keys and at the slice of keys that its windows span, in one
softmax. A loop over the blocks keeps everything but its inputs and outputs the size of a block. The backward pass
recomputes each block's probabilities from the saved log-sum-exp (Dao et al. 2022, section 3.1 and appendix B).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from errors import InputError
from ops.attention import MASKED, attention_rows
from ops.dropout import keep_mask, keep_probability, seed_words
from ops.global_tokens import GlobalTokens, global_attention, member_mask, put_rows, take_rows
from ops.masks import token_groups


class Band(NamedTuple):
    """The static part of a sliding window: one-sided width, and queries per block (both in tokens)."""

    window: int
    block: int
    dropout_rate: float

    def sizes(self, length: int) -> tuple[int, int, int]:
        """Number of blocks, queries in a block, keys that a block spans."""
        block = min(self.block, length)
        return -(-length // block), block, min(length, block + 2 * self.window)


class Keys(NamedTuple):
    """What the blocks look at besides the band: data, not shape."""

    groups: Int[Array, "B S"]  # of the queries, and of the local keys except the global ones
    local_groups: Int[Array, "B S"]
    slot_groups: Int[Array, "B G"]
    slot_index: Int[Array, "B G"]
    seed: Array | None


def sliding_window_attention(
    q: Float[Array, "B S H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    window: int,
    groups: Int[Array, "B S"] | None = None,
    tokens: GlobalTokens | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 256,
) -> Float[Array, "B S H K"]:
    """Each query sees the keys within `window` tokens on either side and every global key, each key once, in one softmax.

    `groups` (see `masks.token_groups`) confines everything, global keys too, to equal non-zero numbers; a query of group
    0 gives zeros. Rows of global tokens come out as if they were ordinary: replace them by `global_attention`'s with
    `put_rows`, or call `longformer_attention`, which does. Any length; `block` changes speed and never the result.

    Raises:
      InputError: if `window` or `block` is below 1.
    Source: Beltagy et al. 2020, section 3.1.
    """
    for name, value in (("window", window), ("block", block)):
        if value < 1:
            raise InputError(f"{name} must be at least 1 token, got {value}.")
    B, S, _, _ = q.shape
    groups = token_groups((B, S)) if groups is None else groups
    drops = dropout_key is not None and dropout_rate > 0
    seed = seed_words(dropout_key) if drops else None
    band = Band(window, block, dropout_rate if drops else 0.0)
    if tokens is None:
        none = jnp.zeros((B, 0), jnp.int32)
        return _attend(band, q, k, v, k[:, :0], v[:, :0], Keys(groups, groups, none, none, seed))
    slot_groups = jnp.where(tokens.used, take_rows(groups, tokens), 0)
    local_groups = jnp.where(member_mask(tokens, S), 0, groups)  # a global key is seen through its slot alone
    keys = Keys(groups, local_groups, slot_groups, tokens.index, seed)
    return _attend(band, q, k, v, take_rows(k, tokens), take_rows(v, tokens), keys)


def longformer_attention(
    local: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    wide: tuple[Float[Array, "B G H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    tokens: GlobalTokens,
    *,
    window: int,
    groups: Int[Array, "B S"],
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 256,
) -> Float[Array, "B S H K"]:
    """The Longformer's attention: `sliding_window_attention` of `local` (q, k, v), with `global_attention` of `wide` (q at
    the global rows, k, v: the global projections) at the rows of the global `tokens`.
    """
    near_key, far_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    near = sliding_window_attention(
        *local,
        window=window,
        groups=groups,
        tokens=tokens,
        dropout_rate=dropout_rate,
        dropout_key=near_key,
        block=block,
    )
    far = global_attention(*wide, tokens, groups, dropout_rate=dropout_rate, dropout_key=far_key)
    return put_rows(near, far, tokens)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(band, q, k, v, slot_k, slot_v, keys):
    return _forward(band, q, k, v, slot_k, slot_v, keys)[0]


def _forward(band, q, k, v, slot_k, slot_v, keys):
    B, S, H, K = q.shape
    blocks, rows, _ = band.sizes(S)
    exact = jnp.promote_types(q.dtype, jnp.float32)

    def step(i, carry):
        out, lse = carry
        start, first, see, keep = _geometry(band, i, q.shape, keys)
        scores, _ = _scores(band, q, k, slot_k, start, first, see)
        top = jnp.maximum(scores.max(-1, keepdims=True), MASKED / 2)
        weights = jnp.exp(scores - top)  # [B H b L]
        total = weights.sum(-1, keepdims=True)
        kept = _thin(band, weights, keep)
        values = _span(v, slot_v, first, band)
        block = jnp.einsum("bhts,bshk->bthk", kept.astype(v.dtype), values, preferred_element_type=exact)
        block = block / jnp.where(total > 0, total, 1.0).transpose(0, 2, 1, 3)
        block_lse = jnp.where(total > 0, top + jnp.log(jnp.where(total > 0, total, 1.0)), -MASKED)[..., 0]
        out = jax.lax.dynamic_update_slice_in_dim(out, block.astype(out.dtype), start, 1)
        return out, jax.lax.dynamic_update_slice_in_dim(lse, block_lse, start, 2)

    empty = jnp.zeros((B, S, H, K), v.dtype), jnp.zeros((B, H, S), exact)
    out, lse = jax.lax.fori_loop(0, blocks, step, empty)
    return out, (q, k, v, slot_k, slot_v, keys, out, lse)


def _backward(band, saved, d_out):
    q, k, v, slot_k, slot_v, keys, out, lse = saved
    B, S, H, K = q.shape
    blocks, rows, span = band.sizes(S)
    G = slot_k.shape[1]
    exact = jnp.promote_types(q.dtype, jnp.float32)
    delta = jnp.einsum("bshk,bshk->bhs", out, d_out, preferred_element_type=exact)
    scale = K**-0.5

    def step(i, carry):
        dq, dk, dv, dsk, dsv = carry
        start, first, see, keep = _geometry(band, i, q.shape, keys)
        fresh = start + jnp.arange(rows) >= i * band.block  # the last block reaches back over rows already done
        scores, queries = _scores(band, q, k, slot_k, start, first, see & fresh[None, None, :, None])
        weights = jnp.exp(scores - jax.lax.dynamic_slice_in_dim(lse, start, rows, 2)[..., None])
        up = jax.lax.dynamic_slice_in_dim(d_out, start, rows, 1)  # [B b H K]
        kept = _thin(band, weights, keep).astype(q.dtype)
        dv_block = jnp.einsum("bhts,bthk->bshk", kept, up, preferred_element_type=exact)
        d_weights = jnp.einsum("bthk,bshk->bhts", up, _span(v, slot_v, first, band), preferred_element_type=exact)
        d_weights = _thin(band, d_weights, keep)
        d_scores = weights * (d_weights - jax.lax.dynamic_slice_in_dim(delta, start, rows, 2)[..., None])
        d_scores = d_scores.astype(q.dtype)
        dk_block = jnp.einsum("bhts,bthk->bshk", d_scores, queries, preferred_element_type=exact)
        dq_block = jnp.einsum("bhts,bshk->bthk", d_scores, _span(k, slot_k, first, band), preferred_element_type=exact)
        return (
            _add(dq, dq_block * scale, start),
            _add(dk, dk_block[:, G:], first),
            _add(dv, dv_block[:, G:], first),
            dsk + dk_block[:, :G],
            dsv + dv_block[:, :G],
        )

    zeros = [jnp.zeros(x.shape, exact) for x in (q, k, v, slot_k, slot_v)]
    grads = jax.lax.fori_loop(0, blocks, step, tuple(zeros))
    return *(g.astype(q.dtype) for g in grads), None


_attend.defvjp(_forward, _backward)


def _geometry(band, i, shape, keys):
    """Where block `i` starts, where its keys start, what it may look at [B 1 b G+L], and what dropout keeps [B H b G+L]."""
    B, S, H, _ = shape
    _, rows, span = band.sizes(S)
    start = jnp.minimum(i * rows, S - rows)
    first = jnp.clip(start - band.window, 0, S - span)
    at, key_at = start + jnp.arange(rows), first + jnp.arange(span)
    own = jax.lax.dynamic_slice_in_dim(keys.groups, start, rows, 1)[:, :, None]
    near = jnp.abs(at[:, None] - key_at[None, :]) <= band.window
    local = jax.lax.dynamic_slice_in_dim(keys.local_groups, first, span, 1)[:, None, :]
    see = (own == local) & (local != 0) & near[None]
    slots = keys.slot_groups[:, None, :]
    see = jnp.concatenate([(own == slots) & (slots != 0), see], -1)[:, None]
    if keys.seed is None:
        return start, first, see, None
    columns = jnp.concatenate([keys.slot_index, jnp.broadcast_to(key_at[None], (B, span))], -1)[:, None, None, :]
    row = attention_rows(B, H, at, length=S)
    return start, first, see, keep_mask(keys.seed, row, columns, rate=band.dropout_rate)


def _scores(band, q, k, slot_k, start, first, see):
    rows = band.sizes(q.shape[1])[1]
    exact = jnp.promote_types(q.dtype, jnp.float32)
    queries = jax.lax.dynamic_slice_in_dim(q, start, rows, 1) * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
    scores = jnp.einsum("bthk,bshk->bhts", queries, _span(k, slot_k, first, band), preferred_element_type=exact)
    return jnp.where(see, scores, MASKED), queries


def _span(x, slot_x, first, band):
    """The global slots, then the keys of one block. [B G+L H K]"""
    local = jax.lax.dynamic_slice_in_dim(x, first, band.sizes(x.shape[1])[2], 1)
    return jnp.concatenate([slot_x, local], 1)


def _thin(band, weights, keep):
    return weights if keep is None else jnp.where(keep, weights / keep_probability(band.dropout_rate), 0.0)


def _add(total, part, start):
    old = jax.lax.dynamic_slice_in_dim(total, start, part.shape[1], 1)
    return jax.lax.dynamic_update_slice_in_dim(total, old + part, start, 1)
