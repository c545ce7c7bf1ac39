"""Token after token with a causal window: the keys and values that later tokens can still see, and no others."""

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
    q: Float[Array, "B T H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H K"],
    cache: RollingCache,
    *,
    window: Window,
    groups: Int[Array, "B T"] | None = None,
) -> tuple[Float[Array, "B T H K"], RollingCache]:
    """What the next tokens see, and the cache with them: `sliding_window_attention`'s rows at those places.

    The tokens are ordinary ones: global tokens come with the prompt (`filled_cache`). `groups` are as in
    `masks.token_groups`; without them all is one group, number 1. Several tokens at once take memory for their scores
    over the cache and over each other: give a long prompt a part at a time.
    """
    groups = jnp.ones(q.shape[:2], jnp.int32) if groups is None else groups.astype(jnp.int32)
    return (_attend_one if q.shape[1] == 1 else _attend_several)(q, k, v, cache, window, groups)


def _attend_one(
    q: Array, k: Array, v: Array, cache: RollingCache, window: Window, groups: Int[Array, "B 1"]
) -> tuple[Float[Array, "B 1 H K"], RollingCache]:
    """In place: the new token takes the slot of one that has left the window."""
    H, C = q.shape[2], window.reach + 1
    at = cache.place % C
    cache = RollingCache(
        jax.lax.dynamic_update_slice_in_dim(cache.k, k.astype(cache.k.dtype), at, 1),
        jax.lax.dynamic_update_slice_in_dim(cache.v, v.astype(cache.v.dtype), at, 1),
        jax.lax.dynamic_update_slice_in_dim(cache.groups, groups, at, 1),
        cache.place + 1,
    )
    age = (at - jnp.arange(C)) % C
    near = jnp.ones((H, cache.k.shape[1]), bool).at[:, :C].set(_near(age[None], window, H)[:, 0])
    same = (cache.groups == groups) & (groups != 0)
    return dot_product_attention(q, cache.k, cache.v, mask=near[None, :, None] & same[:, None, None]), cache


def _attend_several(
    q: Array, k: Array, v: Array, cache: RollingCache, window: Window, groups: Int[Array, "B T"]
) -> tuple[Float[Array, "B T H K"], RollingCache]:
    """Over the cache as it was, and then over each other: the first of them still see what the last will replace."""
    T, H, C, G = q.shape[1], q.shape[2], window.reach + 1, cache.k.shape[1] - window.reach - 1
    keys, values = (jnp.concatenate([old, new.astype(old.dtype)], 1) for old, new in ((cache.k, k), (cache.v, v)))
    kept = jnp.concatenate([cache.groups, groups], 1)
    ago = 1 + (cache.place - 1 - jnp.arange(C)) % C  # how long before the first of them the token in each slot came
    behind = jnp.concatenate([ago, jnp.zeros(G, jnp.int32), -jnp.arange(T)])
    age = behind[None] + jnp.arange(T)[:, None]  # [T C+G+T]
    near = _near(age, window, H).at[:, :, C : C + G].set(True)
    same = (kept[:, None] == groups[:, :, None]) & (groups != 0)[:, :, None]
    seen = dot_product_attention(q, keys, values, mask=near[None] & same[:, None])
    last = slice(-min(T, C), None)
    slots = (cache.place + jnp.arange(T)[last]) % C
    arrays = ((cache.k, k), (cache.v, v), (cache.groups, groups))
    taken = (old.at[:, slots].set(new[:, last].astype(old.dtype), unique_indices=True) for old, new in arrays)
    return seen, RollingCache(*taken, cache.place + T)


def _near(age: Int[Array, "T S"], window: Window, heads: int) -> Bool[Array, "H T S"]:
    """Whether a key that came `age` tokens before a query, after it if below 0, is in the window of each head."""
    each = [None] * heads
    for width, dilation, alike in windows_of_heads(window, heads):
        for head in alike:
            each[head] = (age >= 0) & (age <= width * dilation) & (age % dilation == 0)
    return jnp.stack(each)


def _refuse(window: Window, heads: int) -> None:
    windows_of_heads(window, heads)
    if not window.causal:
        raise InputError(f"only a causal window can be decoded token by token, got {window}.")
