"""What the global tokens see, without a key and a value made for every token."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from ops.attention import masked_softmax
from ops.global_tokens import GlobalTokens, drop_global_weights, visible_to_global


def global_queries(
    q: Float[Array, "B G H K"],
    x: Float[Array, "B S D"],
    to_key: Float[Array, "D H K"],
    to_value: Float[Array, "D H K"],
    tokens: GlobalTokens,
    groups: Int[Array, "B S"],
    *,
    causal: bool = False,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
) -> tuple[Float[Array, "B G H K"], Float[Array, "B G H"]]:
    """`global_attention(q, x @ to_key, x @ to_value, ...)`, and the sum of each query's weights (1, but for dropout).

    q . (x W) = (q W^T) . x, and a weighted sum of x W is the weighted sum of x times W: so W meets G queries and not S
    tokens. That is less work where G * H < D, most of all for the one global token of classification: of the 14 D x D
    products per token of a layer 2 go, and what they would keep for the backward pass. A bias of the keys adds the
    same to all scores of a query, so the softmax drops it; one of the values comes in times the sum of the weights.
    """
    q = q * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
    asked = jnp.einsum("bghk,dhk->bghd", q, to_key)
    scores = jnp.einsum("bghd,bsd->bhgs", asked, x, preferred_element_type=jnp.float32)
    weights = masked_softmax(scores, visible_to_global(tokens, groups, causal=causal)[:, None])
    if dropout_key is not None and dropout_rate > 0:
        weights = drop_global_weights(weights, tokens, dropout_rate, dropout_key)
    found = jnp.einsum("bhgs,bsd->bghd", weights.astype(x.dtype), x)
    return jnp.einsum("bghd,dhk->bghk", found, to_value), weights.sum(-1).swapaxes(1, 2)
