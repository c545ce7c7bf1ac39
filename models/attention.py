"""Attention over all pairs of tokens: of a text to itself, and of one that is written to one that was read."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.config import TransformerConfig
from models.key_values import KeyValues
from models.layers import dense
from ops.attention import attention_weights, dot_product_attention
from ops.full_attention import full_attention
from ops.masks import causal_mask, segment_mask
from ops.positions import rotary


class FullView(NamedTuple):
    """What a token may see. `places`: where each stands, if positions are rotary; `bias`: of scores, if relative.

    `groups` serves long rows, whose mask of all pairs would not fit: 0 hides a token, equal numbers may see each other.
    Short rows leave it out and have a `mask`, or None: everything. `slot`: where a cache takes the tokens in.
    """

    mask: Bool[Array, "#B #T S"] | None = None
    groups: Int[Array, "B S"] | None = None
    places: Int[Array, "B S"] | None = None
    bias: Float[Array, "1 H T S"] | None = None
    slot: Int[Array, ""] | None = None


class Projections(nnx.Module):
    """The four maps of an attention: D to H * K three times, and back.

    `wide`: with three more, `query_global` and so on, drawn before the way back.
    """

    def __init__(self, cfg: TransformerConfig, *, wide: bool = False, rngs: nnx.Rngs):
        inner = cfg.heads * cfg.head_width
        for kind in ("", "_global") if wide else ("",):
            for name in ("query", "key", "value"):
                setattr(self, name + kind, dense(cfg, cfg.width, inner, rngs=rngs, name=name + kind))
        self.output = dense(cfg, inner, cfg.width, rngs=rngs, name="output")
        self.heads = cfg.heads
        self.rate = cfg.attention_dropout_rate
        self.scale = None if cfg.scaled_scores else 1.0
        self.rotary_base = cfg.rotary_base

    def projected(
        self, x: Float[Array, "B S D"], places: Int[Array, "B S"] | None
    ) -> tuple[Float[Array, "B S H K"], Float[Array, "B S H K"], Float[Array, "B S H K"]]:
        """Queries, keys and values; the first two turned by their places, if these are given."""
        q, k, v = (split_heads(project(x), self.heads) for project in (self.query, self.key, self.value))
        if places is None:
            return q, k, v
        return rotary(q, places, base=self.rotary_base), rotary(k, places, base=self.rotary_base), v

    def undivided(self, q: Float[Array, "B T H K"]) -> Float[Array, "B T H K"]:
        """`q`, for an attention that always divides scores by sqrt(K): as much larger where none is to be divided."""
        return q if self.scale is None else q * jnp.asarray(self.scale * q.shape[-1] ** 0.5, q.dtype)


class SelfAttention(Projections):
    """`output(softmax(q k^T / sqrt(K)) v)` over all pairs of tokens.

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(cfg, rngs=rngs)
        self.causal = cfg.causal

    def __call__(
        self, x: Float[Array, "B S D"], view: FullView, key: Array | None = None, cache: KeyValues | None = None
    ) -> tuple[Float[Array, "B S D"], KeyValues | None]:
        """With a cache `x` are the next tokens: the cache takes them in, and they see what it holds."""
        q, k, v = self.projected(x, view.places)
        dropped = {"dropout_rate": self.rate, "dropout_key": key}
        if cache is not None:
            cache = cache.with_next(k, v, view.slot)
            seen = cache.seen_by(q, mask=view.mask, bias=view.bias, scale=self.scale)
        elif view.groups is not None:
            seen = full_attention(self.undivided(q), k, v, groups=view.groups, causal=self.causal, **dropped)
        else:
            seen = dot_product_attention(q, k, v, mask=view.mask, bias=view.bias, scale=self.scale, **dropped)
        return self.output(join_heads(seen)), cache

    def weights(self, x: Float[Array, "B S D"], view: FullView) -> Float[Array, "B H S S"]:
        """The probabilities, without dropout; zeros where a token sees nothing."""
        q, k, _ = self.projected(x, view.places)
        mask = view.mask
        if view.groups is not None:
            mask = segment_mask(view.groups) & (causal_mask(x.shape[1]) if self.causal else True)
        return attention_weights(q, k, mask=mask, bias=view.bias, scale=self.scale)


class CrossAttention(Projections):
    """A written text's queries over the keys and values of the one that was read.

    Source: Vaswani et al. 2017, section 3.2.3.
    """

    def remembered(self, memory: Float[Array, "B S D"]) -> KeyValues:
        return KeyValues.of(*(split_heads(each(memory), self.heads) for each in (self.key, self.value)))

    def __call__(
        self, x: Float[Array, "B T D"], read: KeyValues, mask: Bool[Array, "#R 1 S"] | None, key: Array | None = None
    ) -> Float[Array, "B T D"]:
        """Rows next to each other may share one that was read, as beams do: then R is a part of B."""
        shared = x.shape
        texts = read.k.shape[0] // (self.heads if read.joined else 1)
        q = split_heads(self.query(x.reshape(texts, -1, shared[-1])), self.heads)  # [R B/R*T H K]
        how = {"mask": mask, "scale": self.scale, "dropout_rate": self.rate, "dropout_key": key}
        return self.output(join_heads(read.seen_by(q, **how))).reshape(shared)

    def weights(
        self, x: Float[Array, "B T D"], read: KeyValues, mask: Bool[Array, "#B 1 S"] | None
    ) -> Float[Array, "B H T S"]:
        """As `SelfAttention.weights`."""
        q = split_heads(self.query(x), self.heads)
        return attention_weights(q, read.k.swapaxes(1, 2), mask=mask, scale=self.scale)


def split_heads(x: Float[Array, "*N D"], heads: int) -> Float[Array, "*N H K"]:
    """A vector of D = H * K numbers as one of K for each head."""
    return x.reshape(*x.shape[:-1], heads, -1)  # [*N H K]


def join_heads(x: Float[Array, "B S H K"]) -> Float[Array, "B S D"]:
    """The inverse of `split_heads`."""
    return x.reshape(*x.shape[:-2], -1)  # [B S D]
