"""Attention of every token to every token of its group, without an array of the square of the length."""

from jaxtyping import Array, Float, Int

from ops.distributed import sliding_window_attention
from ops.window import Window


def full_attention(
    q: Float[Array, "B S H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    groups: Int[Array, "B S"] | None = None,
    causal: bool = False,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 128,
) -> Float[Array, "B S H K"]:
    """`dot_product_attention` for the masks that `masks.token_groups` describes (padding and packed segments); with
    `causal` no query sees a key after it.

    Time grows with the square of the length, memory with the length: scores exist for `block` queries at a time, and
    the backward pass makes them again. Values, gradients and dropout mask are those of `dot_product_attention`, save
    that a padded query gives zeros.
    """
    how = {"groups": groups, "dropout_rate": dropout_rate, "dropout_key": dropout_key, "block": block}
    return sliding_window_attention(q, k, v, window=Window(q.shape[1], causal=causal), **how)
