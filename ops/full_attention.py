"""Attention of every token to every token of its group, without an array of the square of the length."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ops.dropout import seed_words
from ops.masks import token_groups
from ops.window_blocks import Band, Sight, attend_in_blocks, heads_in_a_block


def full_attention(
    q: Float[Array, "B S H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    groups: Int[Array, "B S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 128,
) -> Float[Array, "B S H K"]:
    """`dot_product_attention` for the masks that `masks.token_groups` describes: padding and packed segments.

    Time grows with the square of the length, memory with the length: scores exist for `block` queries at a time, and
    the backward pass makes them again. Values, gradients and dropout mask are those of `dot_product_attention`, save
    that a padded query gives zeros.
    """
    B, S, H, _ = q.shape
    groups = token_groups((B, S)) if groups is None else groups
    drops = dropout_key is not None and dropout_rate > 0
    seed = seed_words(dropout_key) if drops else None
    none = jnp.zeros((B, 0), jnp.int32)
    band = Band(S, block, heads_in_a_block(B, H), dropout_rate if drops else 0.0)
    return attend_in_blocks(band, q, k, v, k[:, :0], v[:, :0], Sight(groups, groups, none, none, seed))
