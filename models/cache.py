"""What decoding step by step keeps, and what new tokens see of it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from models.attention import FullView


class Cache(NamedTuple):
    """Room for C tokens: which hold real ones, how many are filled, and what each layer keeps of them."""

    seen: Bool[Array, "B C"]
    filled: Int[Array, ""]
    layers: Any
    read: Bool[Array, "B 1 S"] | None = None  # which of the text that was read is real, in an encoder-decoder


def empty_cache(batch: int, capacity: int, layers: Any, *, read: Bool[Array, "B 1 S"] | None = None) -> Cache:
    return Cache(jnp.zeros((batch, capacity), bool), jnp.zeros((), jnp.int32), layers, read)


def next_view(
    tokens: Int[Array, "B T"], cache: Cache, attention_mask: Int[Array, "B T"] | None
) -> tuple[FullView, Int[Array, "B T"], Bool[Array, "B C"]]:
    """What T new tokens may see in the cache, the place of each among the real ones of its row, and what is seen after.

    `attention_mask` is 0 at tokens that are padding, as before the shorter prompts of a batch.
    """
    T, C = tokens.shape[1], cache.seen.shape[1]
    real = jnp.ones(tokens.shape, bool) if attention_mask is None else attention_mask != 0
    before = cache.seen.sum(1, keepdims=True)
    places = jnp.maximum(before + jnp.cumsum(real, axis=1) - 1, 0)
    slots = cache.filled + jnp.arange(T)
    seen = cache.seen.at[:, slots].set(real, mode="drop")
    mask = seen[:, None, :] & (jnp.arange(C)[None, None, :] <= slots[None, :, None])
    return FullView(mask=mask, slot=cache.filled), places, seen


def kept_within(x: Float[Array, "B T D"], cache: Cache) -> Float[Array, "B T D"]:
    """NaN where the tokens did not fit: a write past the end would land on what is there."""
    return jnp.where(cache.filled + x.shape[1] <= cache.seen.shape[1], x, jnp.nan)
