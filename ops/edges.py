"""One device's share of a row, with the edges of its neighbours' shares: all that a window needs from them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array


def with_edges(x: Array, before: int, after: int, axis: str) -> Array:
    """x [B T ...] of this device as [B before+T+after ...]: its neighbours' last and first tokens around its own.

    Inside `jax.shard_map` over the mesh axis `axis`, whose devices hold equal shares in order. Zeros stand before the
    first token of the row and after the last. A window wider than a share reaches to the next neighbours but one, and
    so on. Sent per device: `before + after` tokens, whatever the length.
    """
    T = x.shape[1]
    left = [_from(x, min(T, before - far * T), far + 1, axis) for far in reversed(range(-(-before // T)))]
    right = [_from(x, min(T, after - far * T), -far - 1, axis) for far in range(-(-after // T))]
    return jnp.concatenate([*left, x, *right], 1)


def _from(x: Array, count: int, hops: int, axis: str) -> Array:
    """The last (hops > 0) or first (hops < 0) `count` tokens of the device `hops` before (after) this one, or zeros."""
    devices = jax.lax.axis_size(axis)
    edge = x[:, -count:] if hops > 0 else x[:, :count]
    pairs = [(device, device + hops) for device in range(devices) if 0 <= device + hops < devices]
    return jax.lax.ppermute(edge, axis, pairs) if pairs else jnp.zeros_like(edge)
