"""Global tokens: found in the data, gathered to a fixed number of slots, and attended with their own projections.

A jitted program has static shapes, so the global tokens of each example go to `cap` slots in order of position. One
beyond the cap would silently become an ordinary token: call `check_global_count` on the host for every batch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from errors import InputError
from ops.attention import attention_rows, masked_softmax
from ops.dropout import keep_mask, keep_probability, seed_words


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


def find_global_tokens(is_global: Bool[Array, "B S"], cap: int) -> GlobalTokens:
    """The first `cap` global tokens of each example by position (all S positions if S is below the cap)."""
    S = is_global.shape[1]
    closeness = jnp.where(is_global, S - jnp.arange(S)[None], 0)  # largest for the first position, 0 for the rest
    value, index = jax.lax.top_k(closeness, min(cap, S))
    return GlobalTokens(jnp.where(value > 0, index, 0), value > 0)


def take_rows(x: Array, tokens: GlobalTokens) -> Array:
    """The rows of `x` [B S ...] at the global tokens: [B G ...]. An unused slot holds a row that nothing reads."""
    return jax.vmap(lambda row, index: row[index])(x, tokens.index)


def put_rows(x: Array, rows: Array, tokens: GlobalTokens) -> Array:
    """`x` [B S ...] with the rows at the global tokens replaced by `rows` [B G ...]."""
    index = jnp.where(tokens.used, tokens.index, x.shape[1])  # an unused slot points past the end and is dropped
    return jax.vmap(lambda base, at, new: base.at[at].set(new, mode="drop"))(x, index, rows.astype(x.dtype))


def member_mask(tokens: GlobalTokens, length: int) -> Bool[Array, "B S"]:
    """True at the positions that have a slot."""
    return put_rows(jnp.zeros((tokens.index.shape[0], length), bool), tokens.used, tokens)


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
) -> Float[Array, "B G H K"]:
    """What the global queries see: every real key of their own group (see `masks.token_groups`). Memory G x S per head.

    `q`, `k`, `v` come from the global projections; `q` is needed at the global rows only (`take_rows`). `causal` hides
    the keys after a query.
    """
    exact = jnp.promote_types(q.dtype, jnp.float32)
    q = q * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
    scores = jnp.einsum("bghk,bshk->bhgs", q, k, preferred_element_type=exact)
    weights = masked_softmax(scores, visible_to_global(tokens, groups, causal=causal)[:, None])
    if dropout_key is not None and dropout_rate > 0:
        weights = drop_global_weights(weights, tokens, dropout_rate, dropout_key)
    return jnp.einsum("bhgs,bshk->bghk", weights.astype(v.dtype), v, preferred_element_type=exact).astype(v.dtype)


def visible_to_global(tokens: GlobalTokens, groups: Int[Array, "B S"], *, causal: bool = False) -> Bool[Array, "B G S"]:
    """The keys that each global query sees: those of its group, and none for an unused slot."""
    own = take_rows(groups, tokens) * tokens.used  # [B G]
    see = (own[:, :, None] == groups[:, None, :]) & (own != 0)[:, :, None]
    past = jnp.arange(groups.shape[1])[None, None, :] <= tokens.index[:, :, None]
    return see & past if causal else see


def drop_global_weights(
    weights: Float[Array, "B H G S"], tokens: GlobalTokens, rate: float, key: Array
) -> Float[Array, "B H G S"]:
    """Dropout by absolute (example, head, query, key), as `attention.drop_weights`."""
    B, H, _, S = weights.shape
    rows = attention_rows(B, H, S)[:, :, None, None] + tokens.index.astype(jnp.uint32)[:, None, :, None]
    keep = keep_mask(seed_words(key), rows, jnp.arange(S)[None, None, None, :], rate=rate)
    return jnp.where(keep, weights / keep_probability(rate), 0.0)
