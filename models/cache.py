"""What decoding step by step keeps, and what new tokens see of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from errors import InputError
from models.attention import FullView
from models.key_values import KeyValues


class DecoderCache(NamedTuple):
    """Of one layer of an encoder-decoder: what was written, and what was read."""

    own: KeyValues
    read: KeyValues


class Cache(NamedTuple):
    """What each layer keeps of the tokens so far, and of each row how many of them are real.

    `seen`: which of the C tokens there is room for are real; a net that keeps a window alone has no such end, and None.
    `read`: which of the text that was read is real, in an encoder-decoder. Several rows next to each other may share
    one text that was read.
    """

    counted: Int[Array, "B"]
    filled: Int[Array, ""]
    layers: Any
    seen: Bool[Array, "B C"] | None = None
    read: Bool[Array, "R 1 S"] | None = None

    def widened(self, times: int) -> "Cache":
        """Each row `times` times, next to each other; what was read stays there once."""
        return self._each_row(lambda x, axis: jnp.repeat(x, times, axis))

    def rearranged(self, places: Int[Array, "R N"]) -> "Cache":
        """After `widened(N)`: of each row's N the ones at `places`, in that order."""
        rows = (jnp.arange(places.shape[0])[:, None] * places.shape[1] + places).reshape(-1)
        return self._each_row(lambda x, axis: jnp.take(x, rows, axis, mode="clip"))

    def _each_row(self, change: Callable[[Array, int], Array]) -> "Cache":
        axis = 1 if isinstance(self.layers, dict) else 0  # stacks have an axis of layers in front

        def changed(x: Array) -> Array:
            if x.ndim <= axis:
                return x  # a count is of all rows
            before, after = x.shape[:axis], x.shape[axis + 1 :]
            apart = x.reshape(*before, self.counted.shape[0], -1, *after)  # rows, and heads if these are joined to them
            return change(apart, axis).reshape(*before, -1, *after)

        def of_layer(layer: Any) -> Any:
            if isinstance(layer, DecoderCache):
                return layer._replace(own=of_layer(layer.own))
            return jax.tree.map(changed, layer)

        layers = jax.tree.map(of_layer, self.layers, is_leaf=lambda layer: isinstance(layer, DecoderCache))
        seen = None if self.seen is None else change(self.seen, 0)
        return self._replace(counted=change(self.counted, 0), layers=layers, seen=seen)

    def without_last(self, count: Int[Array, ""]) -> "Cache":
        """As before the last `count` tokens, all of them real: what comes next takes their place.

        Raises:
          InputError: of what a window alone was kept, and what left it is gone.
        """
        if self.seen is None:
            raise InputError("a net that keeps a window takes no token back: set prompt_lookup_num_tokens=0")
        return self._replace(counted=self.counted - count, filled=self.filled - count)

    def after(self, real: Bool[Array, "B T"], layers: Any, seen: Bool[Array, "B C"] | None = None) -> "Cache":
        """With T more tokens."""
        counted, filled = self.counted + real.sum(1), self.filled + real.shape[1]
        return self._replace(counted=counted, filled=filled, layers=layers, seen=seen)


def empty_cache(
    batch: int, layers: Any, *, capacity: int | None = None, read: Bool[Array, "R 1 S"] | None = None
) -> Cache:
    seen = None if capacity is None else jnp.zeros((batch, capacity), bool)
    return Cache(jnp.zeros(batch, jnp.int32), jnp.zeros((), jnp.int32), layers, seen, read)


def next_places(
    tokens: Int[Array, "B T"], cache: Cache, attention_mask: Int[Array, "B T"] | None
) -> tuple[Bool[Array, "B T"], Int[Array, "B T"]]:
    """Which of T new tokens are real, and the place of each among the real ones of its row.

    `attention_mask` is 0 at tokens that are padding, as before the shorter prompts of a batch.
    """
    real = jnp.ones(tokens.shape, bool) if attention_mask is None else attention_mask != 0
    return real, jnp.maximum(cache.counted[:, None] + jnp.cumsum(real, axis=1) - 1, 0)


def next_view(real: Bool[Array, "B T"], cache: Cache) -> tuple[FullView, Bool[Array, "B C"]]:
    """What T new tokens may see in the cache, and what is seen after."""
    T, C = real.shape[1], cache.seen.shape[1]
    slots = cache.filled + jnp.arange(T)
    seen = cache.seen.at[:, slots].set(real, mode="drop")
    mask = seen[:, None, :] & (jnp.arange(C)[None, None, :] <= slots[None, :, None])
    return FullView(mask=mask, slot=cache.filled), seen


def kept_within(x: Float[Array, "B T D"], cache: Cache) -> Float[Array, "B T D"]:
    """NaN where the tokens did not fit: a write past the end would land on what is there."""
    return jnp.where(cache.filled + x.shape[1] <= cache.seen.shape[1], x, jnp.nan)
