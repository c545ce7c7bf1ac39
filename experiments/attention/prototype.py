"""The band in plain JAX, as one writes it first: a peer that shows what a written-out gradient is worth."""

import jax
import jax.numpy as jnp
from jax import Array

BLOCK = 256  # queries


def prototype(q: Array, k: Array, v: Array, *, window: int) -> Array:
    """Blocks of queries by `lax.map`, each over its slice of keys [B H K]; `jax.checkpoint` makes it linear in memory.

    The length is a multiple of the block.
    """
    B, S, H, K = q.shape
    span = BLOCK + 2 * window
    k, v = (jnp.pad(x, ((0, 0), (window, window), (0, 0), (0, 0))) for x in (k, v))

    @jax.checkpoint
    def attend(first: Array) -> Array:
        queries = jax.lax.dynamic_slice_in_dim(q, first, BLOCK, 1) * K**-0.5
        keys, values = (jax.lax.dynamic_slice_in_dim(x, first, span, 1) for x in (k, v))
        scores = jnp.einsum("bthk,bshk->bhts", queries, keys)
        at, seen = first + jnp.arange(BLOCK), first - window + jnp.arange(span)
        see = (abs(seen[None] - at[:, None]) <= window) & (seen >= 0)[None] & (seen < S)[None]
        weights = jax.nn.softmax(jnp.where(see[None, None], scores, -1e30), axis=-1)
        return jnp.einsum("bhts,bshk->bthk", weights, values)

    blocks = jax.lax.map(attend, jnp.arange(0, S, BLOCK))  # [N B T H K]
    return blocks.swapaxes(0, 1).reshape(B, S, H, K)
