"""One token at a time with a causal window: the keys and values that later tokens can still see, and no others."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from errors import InputError
from ops.attention import dot_product_attention
from ops.global_tokens import GlobalTokens, take_rows
from ops.window import Window, windows_of_heads


class RollingCache(NamedTuple):
    """The last C = reach + 1 tokens, the one of place p at p % C, then the G global ones. Group 0: none there yet."""

    k: Float[Array, "B C+G H K"]
    v: Float[Array, "B C+G H K"]
    groups: Int[Array, "B C+G"]
    place: Int[Array, ""]  # of the next token


def empty_cache(
    batch: int,
    heads: int,
    head_width: int,
    *,
    window: Window,
    max_global_tokens: int = 0,
    dtype: jnp.dtype = jnp.float32,
) -> RollingCache:
    """A cache before the first token. Its size depends on the window and on nothing that is decoded.

    Raises:
      InputError: for a window that is not causal, or does not fit the heads.
    """
    _refuse(window, heads)
    size = window.reach + 1 + max_global_tokens
    rows = jnp.zeros((batch, size, heads, head_width), dtype)
    return RollingCache(rows, rows, jnp.zeros((batch, size), jnp.int32), jnp.zeros((), jnp.int32))


def filled_cache(
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    window: Window,
    groups: Int[Array, "B S"],
    tokens: GlobalTokens | None = None,
) -> RollingCache:
    """The cache after a prompt whose keys and values are at hand, its global `tokens` among them.

    Raises:
      InputError: as `empty_cache`.
    """
    _refuse(window, k.shape[2])
    S, C = k.shape[1], window.reach + 1
    last = S - 1 - (S - 1 - np.arange(C)) % C  # the latest place that belongs in each slot; below 0: none yet
    recent, there = jnp.asarray(np.maximum(last, 0)), jnp.asarray(last >= 0)
    keys = groups
    if tokens is not None:
        keys = jax.vmap(lambda row, at: row.at[at].set(0, mode="drop"))(groups, jnp.where(tokens.used, tokens.index, S))
    parts = [(k[:, recent], v[:, recent], jnp.where(there[None], keys[:, recent], 0))]
    if tokens is not None:
        used = jnp.where(tokens.used, take_rows(groups, tokens), 0)
        parts.append((take_rows(k, tokens), take_rows(v, tokens), used))
    k, v, groups = (jnp.concatenate(each, 1) for each in zip(*parts, strict=True))
    return RollingCache(k, v, groups, jnp.asarray(S, jnp.int32))


def attend_next(
    q: Float[Array, "B 1 H K"],
    k: Float[Array, "B 1 H K"],
    v: Float[Array, "B 1 H K"],
    cache: RollingCache,
    *,
    window: Window,
    groups: Int[Array, "B 1"] | None = None,
) -> tuple[Float[Array, "B 1 H K"], RollingCache]:
    """What the next token sees, and the cache with it: `sliding_window_attention`'s row at that place.

    The token is an ordinary one: global tokens come with the prompt (`filled_cache`). `groups` are as in
    `masks.token_groups`; without them all is one group, number 1.
    """
    B, _, H, _ = q.shape
    C = window.reach + 1
    groups = jnp.ones((B, 1), jnp.int32) if groups is None else groups
    at = cache.place % C
    cache = RollingCache(
        jax.lax.dynamic_update_slice_in_dim(cache.k, k.astype(cache.k.dtype), at, 1),
        jax.lax.dynamic_update_slice_in_dim(cache.v, v.astype(cache.v.dtype), at, 1),
        jax.lax.dynamic_update_slice_in_dim(cache.groups, groups.astype(jnp.int32), at, 1),
        cache.place + 1,
    )
    age = (at - jnp.arange(C)) % C
    near = jnp.ones((H, cache.k.shape[1]), bool).at[:, :C].set(_near(age, window, H))
    same = (cache.groups == groups) & (groups != 0)
    return dot_product_attention(q, cache.k, cache.v, mask=near[None, :, None] & same[:, None, None]), cache


def _near(age: Int[Array, "C"], window: Window, heads: int) -> Bool[Array, "H C"]:
    rows = [None] * heads
    for width, dilation, alike in windows_of_heads(window, heads):
        for head in alike:
            rows[head] = (age <= width * dilation) & (age % dilation == 0)
    return jnp.stack(rows)


def _refuse(window: Window, heads: int) -> None:
    windows_of_heads(window, heads)
    if not window.causal:
        raise InputError(f"only a causal window can be decoded token by token, got {window}.")
