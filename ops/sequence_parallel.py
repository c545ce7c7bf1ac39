"""The Longformer's attention with a row's tokens shared out over devices.

A device holds T = S / N tokens of each row, in order. It takes the edges of its windows from its neighbours, and the
few global tokens from everywhere; what it sends does not depend on S. Call these inside `jax.shard_map` over the mesh
axis `axis` (None: every device holds whole rows), or `longformer_attention_over` on whole arrays.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from errors import InputError
from ops.attention import MASKED, attention_rows
from ops.dropout import keep_mask, keep_probability, seed_words
from ops.global_tokens import GlobalTokens, find_global_tokens
from ops.masks import token_groups
from ops.sliding_window import Scene, attend
from ops.window import Window, as_window
from ops.window_blocks import Sight


def find_shared_global_tokens(is_global: Bool[Array, "B T"], cap: int, axis: str | None) -> GlobalTokens:
    """`find_global_tokens` of the whole row, on every device: each offers its first `cap`, the first of all remain."""
    mine = find_global_tokens(is_global, cap)
    if axis is None:
        return mine
    length = is_global.shape[1] * _devices(axis)
    offered = jnp.where(mine.used, mine.index + _offset(is_global, axis), length)
    offered = jax.lax.all_gather(offered, axis, axis=1, tiled=True)  # [B N*cap]
    first = -jax.lax.top_k(-offered, min(cap, length))[0]
    return GlobalTokens(jnp.where(first < length, first, 0), first < length)


def take_shared_rows(x: Array, tokens: GlobalTokens, axis: str | None) -> Array:
    """The rows of the whole `x` at the global tokens, [B G ...], on every device; zeros in unused slots."""
    local, here = _local(x, tokens, axis)
    rows = jax.vmap(lambda row, index: row[index])(x, jnp.where(here, local, 0))
    here = here.reshape(here.shape + (1,) * (x.ndim - 2))
    return _sum(jnp.where(here, rows, jnp.zeros((), x.dtype)), axis)


def put_shared_rows(x: Array, rows: Array, tokens: GlobalTokens, axis: str | None) -> Array:
    """This device's `x` [B T ...] with those of the global tokens' `rows` [B G ...] that lie in it."""
    local, here = _local(x, tokens, axis)
    index = jnp.where(here, local, x.shape[1])  # past the end: dropped
    return jax.vmap(lambda base, at, new: base.at[at].set(new, mode="drop"))(x, index, rows.astype(x.dtype))


def shared_window_attention(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H K"],
    *,
    axis: str | None,
    window: int | Window,
    groups: Int[Array, "B T"],
    tokens: GlobalTokens | None = None,
    rows: Array | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    block: int = 128,
    implementation: str = "auto",
) -> Float[Array, "B T H K"]:
    """This device's share of `sliding_window_attention`.

    `rows` are `attention_rows` of the whole batch where its examples are shared out too; else they are made here.
    """
    B, T, H, _ = q.shape
    drops = dropout_key is not None and dropout_rate > 0
    places = jnp.broadcast_to(_offset(groups, axis) + jnp.arange(T, dtype=jnp.int32)[None], (B, T))
    none = jnp.zeros((B, 0), jnp.int32)
    keys, slots, slot_places, slot_k, slot_v = groups, none, none, k[:, :0], v[:, :0]
    if tokens is not None:
        keys = put_shared_rows(groups, jnp.zeros(tokens.index.shape, groups.dtype), tokens, axis)
        slots, slot_places = take_shared_rows(groups, tokens, axis), tokens.index
        slot_k, slot_v = take_shared_rows(k, tokens, axis), take_shared_rows(v, tokens, axis)
    sight = Sight(
        queries=groups,
        keys=keys,
        slots=slots,
        query_places=places,
        key_places=places,
        slot_places=slot_places,
        rows=attention_rows(B, H, T * _devices(axis)) if rows is None else rows,
        seed=seed_words(dropout_key) if drops else None,
    )
    how = {"window": window, "dropout_rate": dropout_rate, "block": block, "implementation": implementation}
    return attend(Scene(q, k, v, slot_k, slot_v, sight), axis=axis, **how)


def shared_global_attention(
    q: Float[Array, "B G H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H K"],
    tokens: GlobalTokens,
    groups: Int[Array, "B T"],
    *,
    axis: str | None,
    causal: bool = False,
    rows: Array | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
) -> Float[Array, "B G H K"]:
    """`global_attention` over the keys of all devices: each sums over its own, and the sums are added."""
    exact = jnp.promote_types(q.dtype, jnp.float32)
    B, T, H, _ = k.shape
    at = _offset(groups, axis) + jnp.arange(T)
    own = take_shared_rows(groups, tokens, axis)
    see = (own[:, :, None] == groups[:, None, :]) & (own != 0)[:, :, None]  # [B G T]
    if causal:
        see = see & (at[None, None, :] <= tokens.index[:, :, None])
    q = q * jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
    scores = jnp.where(see[:, None], jnp.einsum("bghk,bshk->bhgs", q, k, preferred_element_type=exact), MASKED)
    top = jax.lax.stop_gradient(scores).max(-1, keepdims=True)
    top = top if axis is None else jax.lax.pmax(top, axis)
    weights = jnp.exp(scores - jnp.maximum(top, MASKED / 2))
    total = _sum(weights.sum(-1), axis).swapaxes(1, 2)[..., None]  # [B G H 1]
    if dropout_key is not None and dropout_rate > 0:
        first_row = attention_rows(B, H, T * _devices(axis)) if rows is None else rows
        queries = first_row[:, :, None, None] + tokens.index.astype(jnp.uint32)[:, None, :, None]
        keep = keep_mask(seed_words(dropout_key), queries, at[None, None, None, :], rate=dropout_rate)
        weights = jnp.where(keep, weights / keep_probability(dropout_rate), 0.0)
    found = jnp.einsum("bhgs,bshk->bghk", weights.astype(v.dtype), v, preferred_element_type=exact)
    return (_sum(found, axis) / jnp.where(total > 0, total, 1.0)).astype(v.dtype)


def longformer_attention_over(
    mesh: Mesh | AbstractMesh,
    local: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    wide: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]] | None = None,
    is_global: Bool[Array, "B S"] | None = None,
    *,
    window: int | Window,
    max_global_tokens: int = 1,
    groups: Int[Array, "B S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    axis: str = "sequence",
    batch_axis: str | None = None,
    implementation: str = "auto",
) -> Float[Array, "B S H K"]:
    """`longformer_attention` with the tokens shared out over the mesh axis `axis` (and examples over `batch_axis`).

    Without `wide` and `is_global` there are no global tokens. The global q is given for all tokens.

    Raises:
      InputError: if the length is no multiple of the devices of `axis`.
    """
    B, S, H, _ = local[0].shape
    if S % mesh.shape[axis]:
        raise InputError(
            f"{S} tokens cannot be shared equally over {mesh.shape[axis]} devices; pad to a multiple of that."
        )
    groups = token_groups((B, S)) if groups is None else groups
    near_key, far_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    shares = PartitionSpec(batch_axis, axis)
    arrays = {"local": local, "wide": wide, "is_global": is_global, "groups": groups}
    specs = {"rows": PartitionSpec(batch_axis), "keys": PartitionSpec()} | dict.fromkeys(arrays, shares)
    how = {"axis": axis, "dropout_rate": dropout_rate}

    # The blocks' loop starts from plain zeros, which shard_map's check of replication takes for equal on all devices.
    @partial(jax.shard_map, mesh=mesh, in_specs=(specs,), out_specs=shares, check_vma=False)
    def share(x):
        near_key, far_key = x["keys"]
        how_near = how | {"window": window, "implementation": implementation, "groups": x["groups"], "rows": x["rows"]}
        if x["is_global"] is None:
            return shared_window_attention(*x["local"], dropout_key=near_key, **how_near)
        tokens = find_shared_global_tokens(x["is_global"], max_global_tokens, axis)
        near = shared_window_attention(*x["local"], tokens=tokens, dropout_key=near_key, **how_near)
        q, k, v = x["wide"]
        how_far = how | {"causal": as_window(window).causal, "rows": x["rows"], "dropout_key": far_key}
        far = shared_global_attention(take_shared_rows(q, tokens, axis), k, v, tokens, x["groups"], **how_far)
        return put_shared_rows(near, far, tokens, axis)

    return share(arrays | {"rows": attention_rows(B, H, S), "keys": (near_key, far_key)})


def _devices(axis: str | None) -> int:
    return 1 if axis is None else jax.lax.axis_size(axis)


def _sum(x: Array, axis: str | None) -> Array:
    return x if axis is None else jax.lax.psum(x, axis)


def _offset(x: Array, axis: str | None) -> Int[Array, ""]:
    """The place in the row of this device's first token."""
    device = jnp.zeros((), jnp.int32) if axis is None else jax.lax.axis_index(axis).astype(jnp.int32)
    return device * x.shape[1]


def _local(x: Array, tokens: GlobalTokens, axis: str | None) -> tuple[Int[Array, "B G"], Bool[Array, "B G"]]:
    """Where the global tokens are in this device's share, and whether they are in it."""
    local = tokens.index - _offset(x, axis)
    return local, tokens.used & (local >= 0) & (local < x.shape[1])
