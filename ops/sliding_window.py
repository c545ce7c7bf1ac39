"""Sliding-window attention with global keys, in time and memory linear in the length: the Longformer's attention."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from errors import InputError
from ops.dropout import seed_words
from ops.global_tokens import GlobalTokens, global_attention, member_mask, put_rows, take_rows
from ops.masks import token_groups
from ops.window_blocks import Band, Sight, attend_in_blocks, heads_in_a_block


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
    block: int = 128,
) -> Float[Array, "B S H K"]:
    """Each query sees the keys within `window` tokens on either side and all global keys, each once, in one softmax.

    `groups` (see `masks.token_groups`) confines everything, global keys too, to equal non-zero numbers; a query of
    group 0 gives zeros. Rows of global tokens come out as if they were ordinary: `longformer_attention` replaces them.
    Any length. `block` (queries at a time) changes the speed and never the result, the dropout mask included.

    Raises:
      InputError: if `window` or `block` is below 1.
    Source: Beltagy et al. 2020, section 3.1.
    """
    for name, value in (("window", window), ("block", block)):
        if value < 1:
            raise InputError(f"{name} must be at least 1 token, got {value}.")
    B, S, H, _ = q.shape
    groups = token_groups((B, S)) if groups is None else groups
    drops = dropout_key is not None and dropout_rate > 0
    seed = seed_words(dropout_key) if drops else None
    band = Band(window, block, heads_in_a_block(B, H), dropout_rate if drops else 0.0)
    if tokens is None:
        none = jnp.zeros((B, 0), jnp.int32)
        return attend_in_blocks(band, q, k, v, k[:, :0], v[:, :0], Sight(groups, groups, none, none, seed))
    slots = jnp.where(tokens.used, take_rows(groups, tokens), 0)
    keys = jnp.where(member_mask(tokens, S), 0, groups)
    sight = Sight(groups, keys, slots, tokens.index, seed)
    return attend_in_blocks(band, q, k, v, take_rows(k, tokens), take_rows(v, tokens), sight)


def longformer_attention(
    local: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    wide: tuple[Float[Array, "B G H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    tokens: GlobalTokens,
    *,
    window: int,
    groups: Int[Array, "B S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 128,
) -> Float[Array, "B S H K"]:
    """`sliding_window_attention` of `local`, with the rows of the global `tokens` from `global_attention` of `wide`.

    Both are (q, k, v), of the local and of the global projections; the global q is needed at the global rows only
    (`take_rows`). The other arguments are those of `sliding_window_attention`.
    """
    groups = token_groups(local[0].shape[:2]) if groups is None else groups
    near_key, far_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    how = {"window": window, "groups": groups, "tokens": tokens, "dropout_rate": dropout_rate, "block": block}
    near = sliding_window_attention(*local, dropout_key=near_key, **how)
    far = global_attention(*wide, tokens, groups, dropout_rate=dropout_rate, dropout_key=far_key)
    return put_rows(near, far, tokens)
