"""Dense attention: the Transformer's path, and the oracle that the sliding-window attention is tested against."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from ops.dropout import keep_mask, keep_probability, seed_words
from ops.masks import causal_mask, longformer_mask, segment_mask, token_groups
from ops.window import Window, as_window

MASKED = -1e30  # below every score, yet finite: a difference of two of them is 0 and not NaN


def dot_product_attention(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    mask: Bool[Array, "#B #T S"] | Bool[Array, "#B #H #T S"] | None = None,
    bias: Float[Array, "#B H T S"] | None = None,
    scale: float | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
) -> Float[Array, "B T H K"]:
    """softmax(q k^T / sqrt(K)) v for each head, over the keys that `mask` lets a query see.

    `bias` is added to the scores, and `scale` stands in for 1 / sqrt(K). A query that sees no key gives zeros, with
    finite gradients. Dropout falls on the probabilities.

    Source: Vaswani et al. 2017, sections 3.2.1 and 3.2.2; Raffel et al. 2020, section 2.1 (bias, no scale).
    """
    weights = attention_weights(q, k, mask=mask, bias=bias, scale=scale)
    if dropout_key is not None and dropout_rate > 0:
        weights = drop_weights(weights, dropout_rate, dropout_key)
    exact = jnp.promote_types(q.dtype, jnp.float32)
    return jnp.einsum("bhts,bshk->bthk", weights.astype(v.dtype), v, preferred_element_type=exact).astype(v.dtype)


def attention_weights(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B S H K"],
    *,
    mask: Bool[Array, "#B #T S"] | Bool[Array, "#B #H #T S"] | None = None,
    bias: Float[Array, "#B H T S"] | None = None,
    scale: float | None = None,
) -> Float[Array, "B H T S"]:
    """The probabilities by which `dot_product_attention` sums the values; in float32, float64 for float64 inputs."""
    exact = jnp.promote_types(q.dtype, jnp.float32)
    scores = jnp.einsum("bthk,bshk->bhts", _scaled(q, scale), k, preferred_element_type=exact)
    return _biased_softmax(scores, mask, bias)


def attention_by_heads(
    q: Float[Array, "B T H K"],
    k: Float[Array, "N S K"],
    v: Float[Array, "N S K"],
    *,
    mask: Bool[Array, "#B #T S"] | None = None,
    bias: Float[Array, "1 H T S"] | None = None,
    scale: float | None = None,
) -> Float[Array, "B T H K"]:
    """`dot_product_attention` to keys and values of N = B * H heads, which lie as the products take them.

    For a few queries and many keys: the scores are turned around, and the keys are not.
    """
    B, T, H, _ = q.shape
    exact = jnp.promote_types(q.dtype, jnp.float32)
    rows = _scaled(q, scale).swapaxes(1, 2).reshape(B * H, T, -1)
    scores = jnp.einsum("nsk,ntk->nst", k, rows, preferred_element_type=exact).swapaxes(1, 2)  # [N T S]
    weights = _biased_softmax(scores.reshape(B, H, T, -1), mask, bias).reshape(B * H, T, -1).astype(v.dtype)
    seen = jnp.einsum("nts,nsk->ntk", weights, v, preferred_element_type=exact).astype(v.dtype)
    return seen.reshape(B, H, T, -1).swapaxes(1, 2)


def _scaled(q: Float[Array, "B T H K"], scale: float | None) -> Float[Array, "B T H K"]:
    return q * jnp.asarray(q.shape[-1] ** -0.5 if scale is None else scale, q.dtype)


def _biased_softmax(
    scores: Float[Array, "B H T S"], mask: Bool[Array, "..."] | None, bias: Float[Array, "1 H T S"] | None
) -> Float[Array, "B H T S"]:
    if bias is not None:
        scores = scores + bias
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]  # [B 1 T S]
    return masked_softmax(scores, mask)


def masked_softmax(scores: Float[Array, "B H T S"], see: Bool[Array, "#B #H #T #S"] | None) -> Float[Array, "B H T S"]:
    """Softmax over the keys that `see` allows; zeros where it allows none."""
    if see is not None:
        scores = jnp.where(see, scores, MASKED)
    # The floor lies far above MASKED: a row with nothing to see has exp(MASKED / 2) = 0 everywhere, and a total of 0.
    top = jnp.maximum(jax.lax.stop_gradient(scores).max(-1, keepdims=True), MASKED / 2)
    weights = jnp.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.where(total > 0, total, 1.0)


def drop_weights(weights: Float[Array, "B H T S"], rate: float, key: Array) -> Float[Array, "B H T S"]:
    """Dropout by absolute (example, head, query, key), the coordinates that every attention here uses."""
    B, H, T, S = weights.shape
    rows = attention_rows(B, H, T)[:, :, None, None] + jnp.arange(T, dtype=jnp.uint32)[None, None, :, None]
    keep = keep_mask(seed_words(key), rows, jnp.arange(S)[None, None, None, :], rate=rate)
    return jnp.where(keep, weights / keep_probability(rate), 0.0)


def attention_rows(batch: int, heads: int, length: int) -> UInt32[Array, "B H"]:
    """The row coordinate of the dropout mask at the first query of each example and head; a query adds its place."""
    return jnp.arange(batch * heads, dtype=jnp.uint32).reshape(batch, heads) * jnp.uint32(length)


def longformer_attention_dense(
    local: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    wide: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    *,
    window: int | Window,
    is_global: Bool[Array, "B S"],
    real: Bool[Array, "B S"] | None = None,
    segment_ids: Int[Array, "B S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
) -> Float[Array, "B S H K"]:
    """The Longformer's attention with S x S masks; slow on purpose.

    `local` and `wide` are the (q, k, v) of the two projections. Dropout falls where the sliding-window form puts it.

    Source: Beltagy et al. 2020, section 3.1.
    """
    groups = token_groups(is_global.shape, real=real, segment_ids=segment_ids)
    near_key, far_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    near_mask = longformer_mask(groups, is_global, window=window, heads=local[0].shape[2])
    near = dot_product_attention(*local, mask=near_mask, dropout_rate=dropout_rate, dropout_key=near_key)
    far_mask = segment_mask(groups)
    if as_window(window).causal:
        far_mask = far_mask & causal_mask(groups.shape[1])
    far = dot_product_attention(*wide, mask=far_mask, dropout_rate=dropout_rate, dropout_key=far_key)
    return jnp.where(is_global[:, :, None, None], far, near)
