"""Self-attention to the tokens nearby: plain, and the Longformer's with its global tokens."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from models.attention import FullView, Projections, join_heads, split_heads
from models.config import AlternatingConfig, LongformerConfig
from models.global_queries import global_queries
from models.layers import split_key
from ops.attention import attention_weights
from ops.distributed import context_mesh, global_attention, put_rows, sliding_window_attention, take_rows
from ops.global_tokens import GlobalTokens, member_mask
from ops.masks import causal_mask, longformer_mask, segment_mask, window_mask
from ops.positions import rotary
from ops.rolling_cache import RollingCache, attend_next
from ops.window import Window


class LongformerView(NamedTuple):
    """`groups` and `places` are as in FullView; `tokens`: the global ones."""

    groups: Int[Array, "B S"]
    tokens: GlobalTokens | None
    places: Int[Array, "B S"] | None


class WindowSelfAttention(Projections):
    """Each token sees its window, all through one set of maps (Warner et al. 2024, section 2.1.2)."""

    def __init__(self, cfg: AlternatingConfig, window: Window, *, rngs: nnx.Rngs):
        super().__init__(cfg, rngs=rngs)
        self.rotary_base = cfg.window_rotary_base
        self.window = window
        self.implementation = cfg.implementation

    def __call__(
        self, x: Float[Array, "B S D"], view: FullView, key: Array | None = None, cache: None = None
    ) -> tuple[Float[Array, "B S D"], None]:
        q, k, v = self.projected(x, view.places)
        how = {"window": self.window, "dropout_rate": self.rate, "implementation": self.implementation}
        seen = sliding_window_attention(self.undivided(q), k, v, groups=view.groups, dropout_key=key, **how)
        return self.output(join_heads(seen)), None

    def weights(self, x: Float[Array, "B S D"], view: FullView) -> Float[Array, "B H S S"]:
        """As `SelfAttention.weights`: of all pairs, also of those that no window holds."""
        q, k, _ = self.projected(x, view.places)
        near = window_mask(x.shape[1], window=self.window, heads=self.heads)
        mask = near[None] & segment_mask(view.groups)[:, None]
        return attention_weights(q, k, mask=mask, scale=self.scale)


class LongformerSelfAttention(Projections):
    """Each token sees its window and the global tokens; a global token sees all, through projections of its own.

    Every key counts once, also a global key inside the window. Without global tokens the second projections rest.

    Source: Beltagy et al. 2020, section 3.1.
    """

    def __init__(self, cfg: LongformerConfig, window: Window, *, rngs: nnx.Rngs):
        super().__init__(cfg, wide=True, rngs=rngs)
        self.window = window
        self.implementation = cfg.implementation

    def __call__(
        self,
        x: Float[Array, "B S D"],
        view: LongformerView,
        key: Array | None = None,
        cache: RollingCache | None = None,
    ) -> tuple[Float[Array, "B S D"], RollingCache | None]:
        """With a cache `x` are the next tokens, none of them global."""
        near_key, far_key = split_key(key, 2)
        q, k, v = self.projected(x, view.places)
        q = self.undivided(q)
        if cache is not None:
            seen, cache = attend_next(q, k, v, cache, window=self.window, groups=view.groups)
            return self.output(join_heads(seen)), cache
        how = {"window": self.window, "dropout_rate": self.rate, "implementation": self.implementation}
        seen = sliding_window_attention(q, k, v, groups=view.groups, tokens=view.tokens, dropout_key=near_key, **how)
        if view.tokens is not None:
            seen = put_rows(seen, self._seen_by_global_tokens(x, view, far_key), view.tokens)
        return self.output(join_heads(seen)), None

    def weights(self, x: Float[Array, "B S D"], view: LongformerView) -> Float[Array, "B H S S"]:
        """As `SelfAttention.weights`: of all pairs, so for rows that leave room for these."""
        q, k, _ = self.projected(x, view.places)
        is_global = jnp.zeros(x.shape[:2], bool)
        if view.tokens is not None:
            is_global = member_mask(view.tokens, x.shape[1])
        mask = longformer_mask(view.groups, is_global, window=self.window, heads=self.heads)
        near = attention_weights(q, k, mask=mask, scale=self.scale)
        if view.tokens is None:
            return near
        q, k = (split_heads(project(x), self.heads) for project in (self.query_global, self.key_global))
        if view.places is not None:
            q, k = (rotary(each, view.places, base=self.rotary_base) for each in (q, k))
        far_mask = segment_mask(view.groups) & (causal_mask(x.shape[1]) if self.window.causal else True)
        far = attention_weights(q, k, mask=far_mask, scale=self.scale)
        return jnp.where(is_global[:, None, :, None], far, near)

    def _seen_by_global_tokens(
        self, x: Float[Array, "B S D"], view: LongformerView, key: Array | None
    ) -> Float[Array, "B G H K"]:
        q = self.undivided(split_heads(self.query_global(take_rows(x, view.tokens)), self.heads))
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
            q = rotary(q, take_rows(view.places, view.tokens), base=self.rotary_base)
            k = rotary(k, view.places, base=self.rotary_base)
        return global_attention(q, k, v, **where)

    def _few(self, q: Float[Array, "B G H K"], view: LongformerView) -> bool:
        """Whether `global_queries` serves: it is less work, no key has to turn, both maps are plain matrices, and all
        tokens of a row are at hand.
        """
        maps = (self.key_global, self.value_global)
        plain = all(type(each) is nnx.Linear and each.bias is not None for each in maps)  # an adapted one is called
        return plain and view.places is None and q.shape[1] < q.shape[3] and context_mesh() is None
