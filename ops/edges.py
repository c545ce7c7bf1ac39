"""One device's share of a row: where it lies, and the edges of its neighbours' shares, all that a window needs of them.

An `axis` is that of the mesh whose devices hold equal shares of each row in order, inside `jax.shard_map`; None: this
device holds whole rows.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int


def shares(axis: str | None) -> int:
    """Into how many a row is cut."""
    return 1 if axis is None else jax.lax.axis_size(axis)


def first_place(share: int, axis: str | None) -> Int[Array, ""]:
    """The place in the row of this device's first token; `share`: the tokens that it holds."""
    device = jnp.zeros((), jnp.int32) if axis is None else jax.lax.axis_index(axis).astype(jnp.int32)
    return device * share


def summed(x: Array, axis: str | None) -> Array:
    """The sum over a row's shares, on each of their devices."""
    return x if axis is None else jax.lax.psum(x, axis)


def with_edges(x: Array, before: int, after: int, axis: str) -> Array:
    """x [B T ...] of this device as [B before+T+after ...]: its neighbours' last and first tokens around its own.

    Zeros stand before the first token of the row and after the last. A window wider than a share reaches to the next
    neighbours but one, and so on. Sent per device: `before + after` tokens, whatever the length.
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
