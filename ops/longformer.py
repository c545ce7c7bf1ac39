"""The Longformer's attention whole: windows, global keys, and the rows of the global tokens."""

from typing import Any

import jax
from jaxtyping import Array, Float, Int

from ops.distributed import global_attention, put_rows, sliding_window_attention
from ops.global_tokens import GlobalTokens
from ops.masks import token_groups
from ops.window import Window, as_window


def longformer_attention(
    local: tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    wide: tuple[Float[Array, "B G H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]],
    tokens: GlobalTokens,
    *,
    window: int | Window,
    groups: Int[Array, "B S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    **how: Any,
) -> Float[Array, "B S H K"]:
    """`sliding_window_attention` of `local`, with the rows of the global `tokens` from `global_attention` of `wide`.

    Both are (q, k, v), of the local and of the global projections; the global q is needed at the global rows only
    (`distributed.take_rows`). On one device or on the mesh of the context. The other arguments are those of
    `sliding_window.sliding_window_attention`.

    Source: Beltagy et al. 2020, section 3.1.
    """
    groups = token_groups(local[0].shape[:2]) if groups is None else groups
    near_key, far_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    how |= {"window": window, "tokens": tokens, "groups": groups, "dropout_rate": dropout_rate}
    near = sliding_window_attention(*local, dropout_key=near_key, **how)
    how_far = {"causal": as_window(window).causal, "dropout_rate": dropout_rate, "dropout_key": far_key}
    return put_rows(near, global_attention(*wide, tokens, groups, **how_far), tokens)
