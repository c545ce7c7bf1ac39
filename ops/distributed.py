"""Attention and global tokens wherever a batch lies: on one device, or shared out over the mesh of the context.

The mesh is that of `jax.set_mesh`, with the axes of `mesh_axes`. On it each device computes its examples, its heads and
its tokens with the function of the same name in `sliding_window` or `global_tokens`, told of its share; without a mesh,
or with one of a single device, that function computes all. Results, gradients and dropout masks are the same. Sent per
layer: the edges of the windows and the few global rows, whatever the length.
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
from ops import global_tokens, sliding_window
from ops.attention import attention_rows
from ops.global_tokens import GlobalTokens
from ops.masks import token_groups
from ops.window import Window, as_window, windows_of_heads

EXAMPLES, ROWS, SPREAD = P(BATCH), P(BATCH, TOKENS), P(BATCH, TOKENS, HEADS)
FEW = P(BATCH, None, HEADS)  # rows of global tokens, on every device of a row
DROPOUT = {"rows": P(BATCH, HEADS), "dropout_key": P()}


def rows_shared(x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    """`x`, told to lie with its examples and tokens shared out and each vector whole."""
    return x if context_mesh() is None else jax.lax.with_sharding_constraint(x, ROWS)


def rows_times_matrix(
    x: Float[Array, "*N D"], matrix: Float[Array, "D F"], *_: Any, **how: Any
) -> Float[Array, "*N F"]:
    """`x @ matrix` with a face like `jax.lax.dot_general`'s, whose other arguments go to it as they are.

    On a list of rows, since XLA for CPUs copies a cotangent of more axes before the product that gives the matrix its
    gradient: 8 % of a BERT step at 8 x 128. Where devices share out the tokens of a row no such list can be made.
    """
    apart = context_mesh() is not None and context_mesh().shape[TOKENS] > 1
    rows = x if apart else x.reshape(-1, x.shape[-1])
    y = jax.lax.dot_general(rows, matrix, (((rows.ndim - 1,), (0,)), ((), ())), **how)
    return y.reshape(*x.shape[:-1], y.shape[-1])


def find_global_tokens(is_global: Bool[Array, "B S"], cap: int) -> GlobalTokens:
    """The first `cap` global tokens of each row, [B G], on every device of the row."""
    return _everywhere(partial(global_tokens.find_global_tokens, cap=cap), ROWS, out=EXAMPLES)(is_global)


def take_rows(x: Array, tokens: GlobalTokens) -> Array:
    """The third axis, if any, is shared out too: gradients of copies would be added up, a sum as large as `x`."""
    lies, out = (SPREAD, FEW) if x.ndim > 2 else (ROWS, EXAMPLES)
    return _everywhere(global_tokens.take_rows, lies, EXAMPLES, out=out)(x, tokens)


def put_rows(x: Float[Array, "B S H K"], rows: Float[Array, "B G H K"], tokens: GlobalTokens) -> Array:
    """`x` [B S H K] with `rows` in the places of the global tokens."""
    return _everywhere(global_tokens.put_rows, SPREAD, FEW, EXAMPLES, out=SPREAD)(x, rows, tokens)


def sliding_window_attention(
    *qkv: Float[Array, "B S H K"],
    window: int | Window,
    groups: Int[Array, "B S"] | None = None,
    tokens: GlobalTokens | None = None,
    dropout_key: Array | None = None,
    **how: Any,
) -> Float[Array, "B S H K"]:
    """Raises InputError for tokens or heads that the mesh does not divide, or windows unlike where heads are apart."""
    B, S, H, _ = qkv[0].shape
    _refuse_uneven(S, H, window)
    if len(kinds := windows_of_heads(window, H)) == 1:  # one number, whatever heads a device has
        window = Window(kinds[0].width, kinds[0].dilation, as_window(window).causal)
    groups = token_groups((B, S)) if groups is None else groups
    dropout = {"rows": attention_rows(B, H, S), "dropout_key": dropout_key}

    def attend(qkv, groups, tokens, dropout, **axis):
        how_here = how | dropout | axis | {"window": window, "groups": groups, "tokens": tokens}
        return sliding_window.sliding_window_attention(*qkv, **how_here)

    return _everywhere(attend, SPREAD, ROWS, EXAMPLES, DROPOUT, out=SPREAD)(qkv, groups, tokens, dropout)


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
    """What the global queries see: all keys of their group, wherever these lie, [B G H K] on every device of a row."""
    B, S, H, _ = k.shape
    dropout = {"rows": attention_rows(B, H, S), "dropout_key": dropout_key}

    def attend(q, kv, tokens, groups, dropout, **axis):
        return global_tokens.global_attention(q, *kv, tokens, groups, **how, **dropout, **axis)

    return _everywhere(attend, FEW, SPREAD, EXAMPLES, ROWS, DROPOUT, out=FEW)(q, (k, v), tokens, groups, dropout)


def context_mesh() -> AbstractMesh | None:
    """The mesh over which arrays are shared out; None where all lies on one device."""
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.size == 1 else mesh


def _everywhere(f: Callable, *specs: Any, out: Any) -> Callable:
    """`f` of whole arrays on one device; on a mesh of each device's shares, with the `axis` that shares out rows."""
    mesh = context_mesh()
    if mesh is None:
        return f
    f = partial(f, axis=TOKENS if mesh.shape[TOKENS] > 1 else None)
    # The blocks' loop starts from plain zeros, which shard_map's check of replication takes for equal on all devices.
    return jax.shard_map(f, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def _refuse_uneven(tokens: int, heads: int, window: int | Window) -> None:
    mesh = context_mesh()
    if mesh is None:
        return
    for axis, what, size in ((TOKENS, "tokens", tokens), (HEADS, "heads", heads)):
        if size % mesh.shape[axis]:
            raise InputError(f"{size} {what} cannot be shared equally over mesh.{axis}={mesh.shape[axis]} devices")
    if mesh.shape[HEADS] > 1 and len(windows_of_heads(window, heads)) > 1:
        raise InputError(f"windows that differ between heads need all heads on one device: set mesh.{HEADS}=1")
