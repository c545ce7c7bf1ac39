"""Self-attention with its projections: dense, and the Longformer's."""

from typing import NamedTuple

from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.config import LongformerConfig, TransformerConfig
from models.global_queries import global_queries
from models.layers import dense, split_key
from ops.attention import dot_product_attention
from ops.distributed import context_mesh, global_attention, put_rows, sliding_window_attention, take_rows
from ops.full_attention import full_attention
from ops.global_tokens import GlobalTokens
from ops.positions import rotary
from ops.window import Window


class FullView(NamedTuple):
    """What a token may see. `places`: where each stands, if positions are rotary.

    `groups` serves long rows, whose mask of all pairs would not fit: 0 hides a token, equal numbers may see each other.
    Short rows leave it out and have a `mask`, or None: everything.
    """

    mask: Bool[Array, "#B #T S"] | None
    groups: Int[Array, "B S"] | None
    places: Int[Array, "B S"] | None


class LongformerView(NamedTuple):
    """`groups` and `places` are as in FullView; `tokens`: the global ones."""

    groups: Int[Array, "B S"]
    tokens: GlobalTokens | None
    places: Int[Array, "B S"] | None


class SelfAttention(nnx.Module):
    """`output(softmax(q k^T / sqrt(K)) v)` over all pairs of tokens.

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.query = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="query")
        self.key = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="key")
        self.value = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="value")
        self.output = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="output")
        self.heads = cfg.heads
        self.causal = cfg.causal
        self.rate = cfg.attention_dropout_rate

    def __call__(self, x: Float[Array, "B S D"], view: FullView, key: Array | None = None) -> Float[Array, "B S D"]:
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        q, k = placed(q, view.places), placed(k, view.places)
        how = {"dropout_rate": self.rate, "dropout_key": key}
        if view.groups is None:
            return self.output(join_heads(dot_product_attention(q, k, v, mask=view.mask, **how)))
        return self.output(join_heads(full_attention(q, k, v, groups=view.groups, causal=self.causal, **how)))


class LongformerSelfAttention(nnx.Module):
    """Each token sees its window and the global tokens; a global token sees all, through projections of its own.

    Every key counts once, also a global key inside the window. Without global tokens the second projections rest.

    Source: Beltagy et al. 2020, section 3.1.
    """

    def __init__(self, cfg: LongformerConfig, window: Window, *, rngs: nnx.Rngs):
        self.query = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="query")
        self.key = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="key")
        self.value = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="value")
        self.query_global = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="query_global")
        self.key_global = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="key_global")
        self.value_global = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="value_global")
        self.output = dense(cfg, cfg.width, cfg.width, rngs=rngs, name="output")
        self.heads = cfg.heads
        self.window = window
        self.implementation = cfg.implementation
        self.rate = cfg.attention_dropout_rate

    def __call__(
        self, x: Float[Array, "B S D"], view: LongformerView, key: Array | None = None
    ) -> Float[Array, "B S D"]:
        near_key, far_key = split_key(key, 2)
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        q, k = placed(q, view.places), placed(k, view.places)
        how = {"window": self.window, "dropout_rate": self.rate, "implementation": self.implementation}
        seen = sliding_window_attention(q, k, v, groups=view.groups, tokens=view.tokens, dropout_key=near_key, **how)
        if view.tokens is not None:
            seen = put_rows(seen, self._seen_by_global_tokens(x, view, far_key), view.tokens)
        return self.output(join_heads(seen))

    def _seen_by_global_tokens(
        self, x: Float[Array, "B S D"], view: LongformerView, key: Array | None
    ) -> Float[Array, "B G H K"]:
        q = split_heads(self.query_global(take_rows(x, view.tokens)), self.heads)
        where = {"tokens": view.tokens, "groups": view.groups, "causal": self.window.causal}
        where |= {"dropout_rate": self.rate, "dropout_key": key}
        if self._few(q, view):
            to_key, to_value = (
                split_heads(each.kernel[...].astype(x.dtype), self.heads)
                for each in (self.key_global, self.value_global)
            )
            found, total = global_queries(q, x, to_key, to_value, **where)
            bias = split_heads(self.value_global.bias[...].astype(x.dtype), self.heads)
            return found + bias[None, None] * total[..., None].astype(x.dtype)
        k, v = (split_heads(project(x), self.heads) for project in (self.key_global, self.value_global))
        if view.places is not None:
            q, k = rotary(q, take_rows(view.places, view.tokens)), rotary(k, view.places)
        return global_attention(q, k, v, **where)

    def _few(self, q: Float[Array, "B G H K"], view: LongformerView) -> bool:
        """Whether `global_queries` serves: it is less work, no key has to turn, both maps are plain matrices, and all
        tokens of a row are at hand.
        """
        plain = type(self.key_global) is type(self.value_global) is nnx.Linear  # an adapted map is called, not read
        return plain and view.places is None and q.shape[1] < q.shape[3] and context_mesh() is None


def split_heads(x: Float[Array, "*N D"], heads: int) -> Float[Array, "*N H K"]:
    return x.reshape(*x.shape[:-1], heads, -1)  # [*N H K]


def join_heads(x: Float[Array, "B S H K"]) -> Float[Array, "B S D"]:
    return x.reshape(*x.shape[:-2], -1)  # [B S D]


def placed(x: Float[Array, "B S H K"], places: Int[Array, "B S"] | None) -> Float[Array, "B S H K"]:
    """`x` turned by its place; unchanged in nets whose embeddings hold the places."""
    return x if places is None else rotary(x, places)
