"""Dense masks from structure. True means: the query (axis T) may look at the key (axis S).

The S x S masks here serve the dense attention and the tests; the sliding-window attention never builds one.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from errors import InputError


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


def window_mask(length: int, *, window: int) -> Bool[Array, "1 S S"]:
    """A query sees the keys at most `window` tokens away on either side, itself included.

    Raises:
      InputError: if `window` is below 1.
    """
    if window < 1:
        raise InputError(f"window must be at least 1 token on each side, got {window}.")
    at = jnp.arange(length)
    return (jnp.abs(at[:, None] - at[None, :]) <= window)[None]


def longformer_mask(groups: Int[Array, "B S"], is_global: Bool[Array, "B S"], *, window: int) -> Bool[Array, "B S S"]:
    """A query sees the keys within `window` tokens and all global keys; a global query sees all keys.

    `groups` is what `token_groups` gives: nothing crosses a group, and group 0 neither sees nor is seen.

    Raises:
      InputError: if `window` is below 1.
    Source: Beltagy et al. 2020, section 3.1 (sliding window + global attention, symmetric).
    """
    near = window_mask(groups.shape[1], window=window)
    return (near | is_global[:, None, :] | is_global[:, :, None]) & segment_mask(groups)
