"""Sliding-window attention with global keys, in time and memory linear in the length: the Longformer's attention."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from errors import InputError
from ops.attention import attention_rows
from ops.backends import backend
from ops.dropout import seed_words
from ops.edges import first_place, shares, with_edges
from ops.global_tokens import GlobalTokens, member_mask, take_rows
from ops.masks import token_groups
from ops.window import HeadWindow, Window, as_window, windows_of_heads
from ops.window_blocks import Band, Sight, attend_in_blocks, heads_in_a_block


class Scene(NamedTuple):
    """All arrays of one call, whose heads may still differ in their windows."""

    q: Float[Array, "B T H K"]
    k: Float[Array, "B S H K"]
    v: Float[Array, "B S H K"]
    slot_k: Float[Array, "B G H K"]
    slot_v: Float[Array, "B G H K"]
    sight: Sight


def sliding_window_attention(
    q: Float[Array, "B S H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    window: int | Window,
    groups: Int[Array, "B S"] | None = None,
    tokens: GlobalTokens | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    rows: UInt32[Array, "B H"] | None = None,
    block: int = 128,
    implementation: str = "auto",
    axis: str | None = None,
) -> Float[Array, "B S H K"]:
    """Each query sees the keys of its window and all global keys, each once, in one softmax.

    A number as `window` is the width in tokens to each side; a `Window` adds dilation, causality, and widths per head.
    `groups` (see `masks.token_groups`) confines everything, global keys too, to equal non-zero numbers; a query of
    group 0 gives zeros. Rows of global tokens come out as if they were ordinary: `longformer.longformer_attention`
    replaces them. Any length. `block` (queries at a time) changes the speed and never the result, the dropout mask
    included. `implementation` is one of `backends.BACKENDS`, or "auto".

    The arrays may be one device's share of each row (`axis`: see `edges`): it takes the edges of its windows from its
    neighbours. `rows` are `attention_rows` of the whole batch, where this device does not hold all examples or heads.

    Raises:
      InputError: for a width, dilation or block below 1, numbers that are not one per head, or an implementation that
        cannot run here.
    Source: Beltagy et al. 2020, section 3.1.
    """
    B, S, H, _ = q.shape
    groups = token_groups((B, S)) if groups is None else groups
    places = jnp.broadcast_to(first_place(S, axis) + jnp.arange(S, dtype=jnp.int32)[None], (B, S))
    keys, slots, slot_places = groups, jnp.zeros((B, 0), jnp.int32), jnp.zeros((B, 0), jnp.int32)
    slot_k, slot_v = k[:, :0], v[:, :0]
    if tokens is not None:
        keys = jnp.where(member_mask(tokens, S, axis=axis), 0, groups)
        slots, slot_places = jnp.where(tokens.used, take_rows(groups, tokens, axis=axis), 0), tokens.index
        slot_k, slot_v = (take_rows(x, tokens, axis=axis) for x in (k, v))
    sight = Sight(
        queries=groups,
        keys=keys,
        slots=slots,
        query_places=places,
        key_places=places,
        slot_places=slot_places,
        rows=attention_rows(B, H, S * shares(axis)) if rows is None else rows,
        seed=seed_words(dropout_key) if dropout_key is not None and dropout_rate > 0 else None,
    )
    how = {"window": window, "dropout_rate": dropout_rate, "block": block, "implementation": implementation}
    return _attend(Scene(q, k, v, slot_k, slot_v, sight), axis=axis, **how)


def _attend(
    scene: Scene, *, window: int | Window, dropout_rate: float, block: int, implementation: str, axis: str | None
) -> Float[Array, "B T H K"]:
    """The attention of a scene, heads of one window at a time."""
    if block < 1:
        raise InputError(f"block must be at least 1 token, got {block}.")
    H = scene.q.shape[2]
    rate, causal = 0.0 if scene.sight.seed is None else dropout_rate, as_window(window).causal
    kinds = windows_of_heads(window, H)
    run, band = backend(implementation), Band(0, 0, block, 0, rate, causal=causal)
    if len(kinds) == 1:
        return _alike(scene, kinds[0], band, run, axis)
    outs = []
    for kind in kinds:
        at = jnp.asarray(kind.heads)
        q, k, v, slot_k, slot_v = (x[:, :, at] for x in scene[:5])
        part = Scene(q, k, v, slot_k, slot_v, scene.sight._replace(rows=scene.sight.rows[:, at]))
        outs.append(_alike(part, kind, band, run, axis))
    order = sum((kind.heads for kind in kinds), ())
    return jnp.concatenate(outs, 2)[:, :, jnp.argsort(jnp.asarray(order))]


def _alike(scene: Scene, kind: HeadWindow, band: Band, run: Callable, axis: str | None) -> Float[Array, "B T H K"]:
    """Heads of one window. With dilation d, tokens d apart form rows of their own, whose windows have no gaps."""
    T = scene.q.shape[1]
    length = T * shares(axis)
    d = min(kind.dilation, length)  # beyond it a query sees itself alone, as at it
    width = min(kind.width, -(-length // d))
    after = 0 if band.causal else width
    if axis is not None:
        scene = _with_edges(scene, width * d, after * d, axis)
    if d > 1:
        scene = _unweave(scene, d)
    B, _, H, _ = scene.q.shape
    shift = 0 if axis is None else width
    band = band._replace(before=width, after=after, heads=heads_in_a_block(B, H), shift=shift)
    wide = run is attend_in_blocks and band.causal and axis is None and width >= scene.q.shape[1]
    out = _by_quarters(scene, band) if wide else run(band, *scene)
    return _weave(out, d)[:, :T] if d > 1 else out


def _by_quarters(scene: Scene, band: Band) -> Float[Array, "B T H K"]:
    """A causal window as wide as the row: each quarter of the queries with the keys up to its end, which are 5/8 of all
    pairs. The loop over blocks spans as many keys for the first block as for the last.
    """
    T = scene.q.shape[1]
    size = -(-T // (4 * band.block)) * band.block
    outs = []
    for start in range(0, T, size):
        end = min(start + size, T)
        sight = scene.sight._replace(
            queries=scene.sight.queries[:, start:end],
            query_places=scene.sight.query_places[:, start:end],
            keys=scene.sight.keys[:, :end],
            key_places=scene.sight.key_places[:, :end],
        )
        part = scene._replace(q=scene.q[:, start:end], k=scene.k[:, :end], v=scene.v[:, :end], sight=sight)
        outs.append(attend_in_blocks(band._replace(before=end, shift=start), *part))
    return jnp.concatenate(outs, 1)


def _with_edges(scene: Scene, before: int, after: int, axis: str) -> Scene:
    k, v, keys, places = (
        with_edges(x, before, after, axis) for x in (scene.k, scene.v, scene.sight.keys, scene.sight.key_places)
    )
    return scene._replace(k=k, v=v, sight=scene.sight._replace(keys=keys, key_places=places))


def _unweave(scene: Scene, d: int) -> Scene:
    """Row b of tokens becomes rows b * d + r of the tokens r, r + d, r + 2d, ...; what pads them has group 0."""
    q, k, v, slot_k, slot_v, sight = scene

    def apart(x: Array) -> Array:
        B, S, *rest = x.shape
        x = jnp.pad(x, [(0, 0), (0, -S % d)] + [(0, 0)] * len(rest))
        return x.reshape(B, -1, d, *rest).swapaxes(1, 2).reshape(B * d, -1, *rest)  # [B*d S/d ...]

    sight = Sight(
        *(apart(x) if name.startswith(("quer", "key")) else jnp.repeat(x, d, 0) for name, x in _arrays(sight)),
        seed=sight.seed,
    )
    return Scene(apart(q), apart(k), apart(v), jnp.repeat(slot_k, d, 0), jnp.repeat(slot_v, d, 0), sight)


def _arrays(sight: Sight) -> list[tuple[str, Int[Array, "..."] | UInt32[Array, "..."]]]:
    return [(name, x) for name, x in sight._asdict().items() if name != "seed"]


def _weave(x: Array, d: int) -> Array:
    """[B*d S/d ...] as [B S ...]: the inverse of `apart`, padding and all."""
    rows, S, *rest = x.shape
    return x.reshape(rows // d, d, S, *rest).swapaxes(1, 2).reshape(rows // d, S * d, *rest)
