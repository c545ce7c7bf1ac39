"""Global tokens: found in the data, gathered to a fixed number of slots, and attended with their own projections.

A jitted program has static shapes, so the global tokens of each example go to `cap` slots in order of position. One
beyond the cap would silently become an ordinary token: call `check_global_count` on the host for every batch.

Arrays may be one device's share of each row (`axis`: see `edges`); tokens then are those of the whole row, by their
place in it, and known to all its devices. What is sent for them does not depend on the length.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from errors import InputError
from ops.attention import MASKED, attention_rows
from ops.dropout import keep_mask, keep_probability, seed_words
from ops.edges import first_place, shares, summed


class GlobalTokens(NamedTuple):
    """The slots of each example: the position of the token in a slot (0 if unused), and whether the slot is used."""

    index: Int[Array, "B G"]
    used: Bool[Array, "B G"]


def check_global_count(global_attention_mask: np.ndarray, cap: int) -> None:
    """Refuse a batch with more than `cap` global tokens in an example. On the host: the mask must be concrete, [B S].

    Raises:
      InputError: names the first example at fault.
    """
    counts = np.count_nonzero(np.asarray(global_attention_mask), axis=-1)
    if counts.size and counts.max() > cap:
        row = int(np.argmax(counts > cap))
        raise InputError(
            f"Example {row} of the batch has {int(counts[row])} global tokens but max_global_tokens is {cap}; "
            "raise max_global_tokens or mark fewer tokens in global_attention_mask."
        )


def find_global_tokens(is_global: Bool[Array, "B S"], cap: int, *, axis: str | None = None) -> GlobalTokens:
    """The first `cap` global tokens of each example by position (all S positions if S is below the cap).

    Of the whole row, on every device of it: each offers its first `cap`, and the first of all remain.
    """
    S = is_global.shape[1]
    closeness = jnp.where(is_global, S - jnp.arange(S)[None], 0)  # largest for the first position, 0 for the rest
    value, index = jax.lax.top_k(closeness, min(cap, S))
    if axis is None:
        return GlobalTokens(jnp.where(value > 0, index, 0), value > 0)
    length = S * shares(axis)
    offered = jnp.where(value > 0, index + first_place(S, axis), length)
    offered = jax.lax.all_gather(offered, axis, axis=1, tiled=True)  # [B N*cap]
    first = -jax.lax.top_k(-offered, min(cap, length))[0]
    return GlobalTokens(jnp.where(first < length, first, 0), first < length)


def take_rows(x: Array, tokens: GlobalTokens, *, axis: str | None = None) -> Array:
    """The rows of `x` [B S ...] at the global tokens: [B G ...]. An unused slot holds a row that nothing reads."""
    index, here = _in_share(x, tokens, axis)
    rows = jax.vmap(lambda row, at: row[at])(x, jnp.where(here, index, 0))
    if axis is None:
        return rows
    here = here.reshape(here.shape + (1,) * (x.ndim - 2))
    return summed(jnp.where(here, rows, jnp.zeros((), x.dtype)), axis)


def put_rows(x: Array, rows: Array, tokens: GlobalTokens, *, axis: str | None = None) -> Array:
    """`x` [B S ...] with the rows at the global tokens replaced by `rows` [B G ...]."""
    index, here = _in_share(x, tokens, axis)
    index = jnp.where(here, index, x.shape[1])  # what has no place here points past the end and is dropped
    return jax.vmap(lambda base, at, new: base.at[at].set(new, mode="drop"))(x, index, rows.astype(x.dtype))


def member_mask(tokens: GlobalTokens, length: int, *, axis: str | None = None) -> Bool[Array, "B S"]:
    """True at the positions that have a slot."""
    return put_rows(jnp.zeros((tokens.index.shape[0], length), bool), tokens.used, tokens, axis=axis)


def _in_share(x: Array, tokens: GlobalTokens, axis: str | None) -> tuple[Int[Array, "B G"], Bool[Array, "B G"]]:
    """Where the global tokens are in this device's share of `x`, and whether they are in it."""
    if axis is None:
        return tokens.index, tokens.used
    index = tokens.index - first_place(x.shape[1], axis)
    return index, tokens.used & (index >= 0) & (index < x.shape[1])


def global_attention(
    q: Float[Array, "B G H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    tokens: GlobalTokens,
    groups: Int[Array, "B S"],
    *,
    causal: bool = False,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    rows: UInt32[Array, "B H"] | None = None,
    axis: str | None = None,
) -> Float[Array, "B G H K"]:
    """What the global queries see: every real key of their own group (see `masks.token_groups`). Memory G x S per head.

    `q`, `k`, `v` come from the global projections; `q` is needed at the global rows only (`take_rows`). `causal` hides
    the keys after a query. `rows`: see `sliding_window.sliding_window_attention`. Of a row that is shared out each
    device sums over its own keys, and the sums are added.
    """
    exact = jnp.promote_types(q.dtype, jnp.float32)
    q = q * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
    see = visible_to_global(tokens, groups, causal=causal, axis=axis)[:, None]
    scores = jnp.where(see, jnp.einsum("bghk,bshk->bhgs", q, k, preferred_element_type=exact), MASKED)
    top = jax.lax.stop_gradient(scores).max(-1, keepdims=True)
    top = top if axis is None else jax.lax.pmax(top, axis)
    weights = jnp.exp(scores - jnp.maximum(top, MASKED / 2))
    total = summed(weights.sum(-1), axis).swapaxes(1, 2)[..., None]  # [B G H 1]
    if dropout_key is not None and dropout_rate > 0:
        weights = drop_global_weights(weights, tokens, dropout_rate, dropout_key, rows=rows, axis=axis)
    found = summed(jnp.einsum("bhgs,bshk->bghk", weights.astype(v.dtype), v, preferred_element_type=exact), axis)
    return (found / jnp.where(total > 0, total, 1.0)).astype(v.dtype)


def visible_to_global(
    tokens: GlobalTokens, groups: Int[Array, "B S"], *, causal: bool = False, axis: str | None = None
) -> Bool[Array, "B G S"]:
    """The keys that each global query sees: those of its group, and none for an unused slot."""
    own = take_rows(groups, tokens, axis=axis) * tokens.used  # [B G]
    see = (own[:, :, None] == groups[:, None, :]) & (own != 0)[:, :, None]
    past = _places(groups, axis)[None, None, :] <= tokens.index[:, :, None]
    return see & past if causal else see


def drop_global_weights(
    weights: Float[Array, "B H G S"],
    tokens: GlobalTokens,
    rate: float,
    key: Array,
    *,
    rows: UInt32[Array, "B H"] | None = None,
    axis: str | None = None,
) -> Float[Array, "B H G S"]:
    """Dropout by absolute (example, head, query, key), as `attention.drop_weights`."""
    B, H, _, S = weights.shape
    rows = attention_rows(B, H, S * shares(axis)) if rows is None else rows
    queries = rows[:, :, None, None] + tokens.index.astype(jnp.uint32)[:, None, :, None]
    keys = _places(weights[:, 0, 0], axis)[None, None, None, :]
    keep = keep_mask(seed_words(key), queries, keys, rate=rate)
    return jnp.where(keep, weights / keep_probability(rate), 0.0)


def _places(x: Array, axis: str | None) -> Int[Array, "S"]:
    """The places in the row of the tokens that this device's `x` [B S] holds."""
    return first_place(x.shape[1], axis) + jnp.arange(x.shape[1], dtype=jnp.int32)
