"""Dense masks from structure. True means: the query (axis T) may look at the key (axis S).

The S x S masks here serve the dense attention and the tests; the sliding-window attention never builds one.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ops.window import Window, as_window, windows_of_heads


def token_groups(
    shape: tuple[int, int], *, real: Bool[Array, "B S"] | None = None, segment_ids: Int[Array, "B S"] | None = None
) -> Int[Array, "B S"]:
    """Padding and packing as one array: 0 hides a token; equal non-zero numbers may see each other."""
    groups = jnp.ones(shape, jnp.int32) if segment_ids is None else segment_ids.astype(jnp.int32)
    return groups if real is None else jnp.where(real, groups, 0)


def padding_mask(real: Bool[Array, "B S"]) -> Bool[Array, "B 1 S"]:
    """Every query sees every real key."""
    return real[:, None, :]


def segment_mask(segment_ids: Int[Array, "B S"]) -> Bool[Array, "B S S"]:
    """A query sees the keys of its own segment; segment 0 is padding, which sees nothing and is not seen."""
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    return same & (segment_ids != 0)[:, None, :]


def causal_mask(length: int) -> Bool[Array, "1 S S"]:
    """A query sees itself and the keys before it."""
    at = jnp.arange(length)
    return (at[None, :] <= at[:, None])[None]


def window_mask(length: int, *, window: int | Window, heads: int = 1) -> Bool[Array, "H S S"]:
    """For each head, a query sees itself and the keys of its window (see `Window`).

    Raises:
      InputError: for a width or dilation below 1, or not one per head.
    """
    at = jnp.arange(length)
    distance = at[None, :] - at[:, None]
    masks = [None] * heads
    for width, dilation, alike in windows_of_heads(window, heads):
        near = (jnp.abs(distance) <= width * dilation) & (distance % dilation == 0)
        for head in alike:
            masks[head] = near & (distance <= 0) if as_window(window).causal else near
    return jnp.stack(masks)


def longformer_mask(
    groups: Int[Array, "B S"], is_global: Bool[Array, "B S"], *, window: int | Window, heads: int = 1
) -> Bool[Array, "B H S S"]:
    """For each head, a query sees the keys of its window and all global keys; a global query sees all keys.

    `groups` is what `token_groups` gives: nothing crosses a group, and group 0 neither sees nor is seen. With a causal
    window no query sees a later key, global or not.

    Raises:
      InputError: as `window_mask`.
    Source: Beltagy et al. 2020, section 3.1 (sliding window + global attention, symmetric).
    """
    length = groups.shape[1]
    seen = (is_global[:, None, :] | is_global[:, :, None]) & segment_mask(groups)
    if as_window(window).causal:
        seen = seen & causal_mask(length)
    near = window_mask(length, window=window, heads=heads)[None] & segment_mask(groups)[:, None]
    return near | seen[:, None]
