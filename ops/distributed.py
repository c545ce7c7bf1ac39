"""Attention and global tokens wherever a batch lies: the plain functions on one device, their shares on a mesh.

The mesh is the one of the context (`jax.set_mesh`), with the axes of `mesh_axes`. Without one, or with a mesh of one
device, each function here is the plain one of its name. On a mesh each device computes its examples, its heads and its
tokens; results, gradients and dropout masks stay those of one device. What is sent per layer: the edges of the windows
and the few global rows, whatever the length.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from errors import InputError
from mesh_axes import BATCH, HEADS, TOKENS
from ops import global_tokens, sequence_parallel, sliding_window
from ops.attention import attention_rows
from ops.global_tokens import GlobalTokens
from ops.masks import token_groups
from ops.window import Window, windows_of_heads

EXAMPLES, ROWS, SPREAD = P(BATCH), P(BATCH, TOKENS), P(BATCH, TOKENS, HEADS)
FEW = P(BATCH, None, HEADS)  # rows of global tokens, on every device of a row


def rows_shared(x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    """`x`, told to lie with its examples and tokens shared out and each vector whole."""
    return x if context_mesh() is None else jax.lax.with_sharding_constraint(x, ROWS)


def find_global_tokens(is_global: Bool[Array, "B S"], cap: int) -> GlobalTokens:
    mesh = context_mesh()
    if mesh is None:
        return global_tokens.find_global_tokens(is_global, cap)
    find = partial(sequence_parallel.find_shared_global_tokens, cap=cap, axis=_tokens_axis(mesh))
    return _shared(mesh, find, ROWS, out=EXAMPLES)(is_global)


def take_rows(x: Array, tokens: GlobalTokens) -> Array:
    mesh = context_mesh()
    if mesh is None:
        return global_tokens.take_rows(x, tokens)
    return _shared(
        mesh, partial(sequence_parallel.take_shared_rows, axis=_tokens_axis(mesh)), ROWS, EXAMPLES, out=EXAMPLES
    )(x, tokens)


def put_rows(x: Float[Array, "B S H K"], rows: Float[Array, "B G H K"], tokens: GlobalTokens) -> Array:
    mesh = context_mesh()
    if mesh is None:
        return global_tokens.put_rows(x, rows, tokens)
    put = partial(sequence_parallel.put_shared_rows, axis=_tokens_axis(mesh))
    return _shared(mesh, put, SPREAD, FEW, EXAMPLES, out=SPREAD)(x, rows, tokens)


def sliding_window_attention(
    q: Float[Array, "B S H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    *,
    window: int | Window,
    groups: Int[Array, "B S"] | None = None,
    tokens: GlobalTokens | None = None,
    dropout_key: Array | None = None,
    **how: Any,
) -> Float[Array, "B S H K"]:
    """Raises InputError for windows that differ between heads which lie on different devices."""
    mesh = context_mesh()
    if mesh is None:
        more = {"window": window, "groups": groups, "tokens": tokens, "dropout_key": dropout_key}
        return sliding_window.sliding_window_attention(q, k, v, **more, **how)
    B, S, H, _ = q.shape
    _refuse(mesh, S, H, window)
    arrays = {
        "groups": token_groups((B, S)) if groups is None else groups,
        "tokens": tokens,
        "dropout_key": dropout_key,
    }
    specs = {"groups": ROWS, "tokens": EXAMPLES, "dropout_key": P(), "rows": P(BATCH, HEADS)}
    attend = partial(sequence_parallel.shared_window_attention, axis=_tokens_axis(mesh), window=window, **how)
    return _shared(mesh, lambda q, k, v, more: attend(q, k, v, **more), SPREAD, SPREAD, SPREAD, specs, out=SPREAD)(
        q, k, v, arrays | {"rows": attention_rows(B, H, S)}
    )


def global_attention(
    q: Float[Array, "B G H K"],
    k: Float[Array, "B S H K"],
    v: Float[Array, "B S H K"],
    tokens: GlobalTokens,
    groups: Int[Array, "B S"],
    *,
    dropout_key: Array | None = None,
    **how: Any,
) -> Float[Array, "B G H K"]:
    mesh = context_mesh()
    if mesh is None:
        return global_tokens.global_attention(q, k, v, tokens, groups, dropout_key=dropout_key, **how)
    B, S, H, _ = k.shape
    attend = partial(sequence_parallel.shared_global_attention, axis=_tokens_axis(mesh), **how)
    more = {"rows": attention_rows(B, H, S), "dropout_key": dropout_key}
    specs = (FEW, SPREAD, SPREAD, EXAMPLES, ROWS, {"rows": P(BATCH, HEADS), "dropout_key": P()})
    share = _shared(
        mesh, lambda q, k, v, tokens, groups, more: attend(q, k, v, tokens, groups, **more), *specs, out=FEW
    )
    return share(q, k, v, tokens, groups, more)


def context_mesh() -> AbstractMesh | None:
    """The mesh over which arrays are shared out; None where all lies on one device."""
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.size == 1 else mesh


def _tokens_axis(mesh: AbstractMesh) -> str | None:
    return TOKENS if mesh.shape[TOKENS] > 1 else None


def _shared(mesh: AbstractMesh, f: Callable, *specs: Any, out: Any) -> Callable:
    # The blocks' loop starts from plain zeros, which shard_map's check of replication takes for equal on all devices.
    return jax.shard_map(f, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def _refuse(mesh: AbstractMesh, tokens: int, heads: int, window: int | Window) -> None:
    if tokens % mesh.shape[TOKENS]:
        raise InputError(f"{tokens} tokens cannot be shared equally over mesh.{TOKENS}={mesh.shape[TOKENS]} devices")
    if heads % mesh.shape[HEADS]:
        raise InputError(f"{heads} heads cannot be shared equally over mesh.{HEADS}={mesh.shape[HEADS]} devices")
    if mesh.shape[HEADS] > 1 and len(windows_of_heads(window, heads)) > 1:
        raise InputError(f"windows that differ between heads need all heads on one device: set mesh.{HEADS}=1")
