"""Self-attention with its projections: dense, and the Longformer's."""

from typing import NamedTuple

from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.config import LongformerConfig, TransformerConfig
from models.layers import dense
from ops.attention import dot_product_attention
from ops.global_tokens import GlobalTokens, take_rows
from ops.positions import rotary
from ops.sliding_window import longformer_attention, sliding_window_attention


class DenseView(NamedTuple):
    """`mask`: what each token may see (None: everything). `places`: where each stands, if positions are rotary."""

    mask: Bool[Array, "#B #T S"] | None
    places: Int[Array, "B S"] | None


class LongformerView(NamedTuple):
    """`groups`: 0 hides a token, equal numbers may see each other. `tokens`: the global ones. `places`: as above."""

    groups: Int[Array, "B S"]
    tokens: GlobalTokens | None
    places: Int[Array, "B S"] | None


class SelfAttention(nnx.Module):
    """`output(softmax(q k^T / sqrt(K)) v)` over all pairs of tokens.

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.query = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.key = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.value = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.output = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.heads = cfg.heads
        self.rate = cfg.attention_dropout_rate

    def __call__(self, x: Float[Array, "B S D"], view: DenseView, key: Array | None = None) -> Float[Array, "B S D"]:
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        q, k = placed(q, view.places), placed(k, view.places)
        seen = dot_product_attention(q, k, v, mask=view.mask, dropout_rate=self.rate, dropout_key=key)
        return self.output(join_heads(seen))


class LongformerSelfAttention(nnx.Module):
    """Each token sees its window and the global tokens; a global token sees all, through projections of its own.

    Every key counts once, also a global key inside the window. Without global tokens the second projections rest.

    Source: Beltagy et al. 2020, section 3.1.
    """

    def __init__(self, cfg: LongformerConfig, window: int, *, rngs: nnx.Rngs):
        self.query = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.key = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.value = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.query_global = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.key_global = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.value_global = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.output = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.heads = cfg.heads
        self.window = window
        self.rate = cfg.attention_dropout_rate

    def __call__(
        self, x: Float[Array, "B S D"], view: LongformerView, key: Array | None = None
    ) -> Float[Array, "B S D"]:
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        local = placed(q, view.places), placed(k, view.places), v
        how = {"window": self.window, "groups": view.groups, "dropout_rate": self.rate, "dropout_key": key}
        if view.tokens is None:
            return self.output(join_heads(sliding_window_attention(*local, **how)))
        return self.output(join_heads(longformer_attention(local, self._wide(x, view), view.tokens, **how)))

    def _wide(
        self, x: Float[Array, "B S D"], view: LongformerView
    ) -> tuple[Float[Array, "B G H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]]:
        """Queries of the global tokens, and every token's key and value for them."""
        q = split_heads(self.query_global(take_rows(x, view.tokens)), self.heads)
        k, v = (split_heads(project(x), self.heads) for project in (self.key_global, self.value_global))
        if view.places is None:
            return q, k, v
        return rotary(q, take_rows(view.places, view.tokens)), rotary(k, view.places), v


def split_heads(x: Float[Array, "B S D"], heads: int) -> Float[Array, "B S H K"]:
    return x.reshape(*x.shape[:-1], heads, -1)  # [B S H K]


def join_heads(x: Float[Array, "B S H K"]) -> Float[Array, "B S D"]:
    return x.reshape(*x.shape[:-2], -1)  # [B S D]


def placed(x: Float[Array, "B S H K"], places: Int[Array, "B S"] | None) -> Float[Array, "B S H K"]:
    """`x` turned by its place; unchanged in nets whose embeddings hold the places."""
    return x if places is None else rotary(x, places)
