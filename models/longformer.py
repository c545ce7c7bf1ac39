"""The Longformer encoder: a token sees its window, and global tokens see and are seen by all."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from errors import InputError
from models import cache as caches
from models.cache import Cache, next_places
from models.config import LongformerConfig
from models.depth import fresh_caches, run_layers
from models.stack import Encoder, visible_groups
from models.window_attention import LongformerSelfAttention, LongformerView
from ops import rolling_cache
from ops.distributed import find_global_tokens
from ops.global_tokens import GlobalTokens, check_global_count

PART = 512  # tokens of a prompt that are taken in at once


class Longformer(Encoder):
    """A bidirectional encoder whose time and memory grow in proportion to the length.

    Source: Beltagy et al. 2020, section 3.
    """

    def __init__(self, cfg: LongformerConfig, *, rngs: nnx.Rngs):
        super().__init__(
            cfg, lambda number, rngs: LongformerSelfAttention(cfg, cfg.window(number), rngs=rngs), rngs=rngs
        )

    def view(
        self,
        input_ids: Int[Array, "B S"],
        attention_mask: Int[Array, "B S"] | None,
        segment_ids: Int[Array, "B S"] | None,
        places: Int[Array, "B S"] | None,
        *,
        global_attention_mask: Int[Array, "B S"] | None = None,
    ) -> LongformerView:
        """`global_attention_mask` is 1 at the tokens that see, and are seen by, their whole document.

        Under `jax.jit` a mask's values are unknown here: call `ops.global_tokens.check_global_count` on a batch first,
        or tokens beyond `cfg.max_global_tokens` stay local without a word.

        Raises:
          InputError: outside `jax.jit`, for more global tokens than `cfg.max_global_tokens`.
        """
        groups = visible_groups(input_ids, attention_mask, segment_ids)
        tokens = _global_tokens(global_attention_mask, groups, self.cfg.max_global_tokens)
        return LongformerView(groups=groups, tokens=tokens, places=places)

    def empty_cache(self, batch: int, capacity: int) -> Cache:
        """Room for the windows of each of `batch` rows; `capacity` tokens, or any number, take no more than that.

        Raises:
          InputError: the net is not causal, or has no places for so many.
        """
        cfg, numbers = self.cfg, iter(range(self.cfg.depth))
        if not cfg.causal:
            raise InputError("only a causal net is decoded step by step: set causal")
        cfg.check_length(capacity, what="a text to write")
        row, dtype = (batch, cfg.heads, cfg.head_width), cfg.compute_dtype

        def layer() -> rolling_cache.RollingCache:
            return rolling_cache.empty_cache(*row, window=cfg.window(next(numbers)), dtype=dtype)

        return caches.empty_cache(batch, fresh_caches(self.layers, layer, cfg=cfg))

    def step(
        self, tokens: Int[Array, "B T"], cache: Cache, *, attention_mask: Int[Array, "B T"] | None = None
    ) -> tuple[Float[Array, "B T D"], Cache]:
        """As `Transformer.step`; no token is global. More than 512 tokens are taken in by parts of 512.

        So the memory for a long prompt, beside its hidden states, is that of a part.
        """
        mask = jnp.ones(tokens.shape, jnp.int32) if attention_mask is None else attention_mask
        if (length := tokens.shape[1]) <= PART:
            return self._next(tokens, mask, cache)
        first = length % PART or PART  # the odd part comes first, so that all others are of one shape
        x, cache = self._next(tokens[:, :first], mask[:, :first], cache)

        def part(cache: Cache, given: tuple[Array, Array]) -> tuple[Cache, Array]:
            x, cache = self._next(*given, cache)
            return cache, x

        parts = (
            each[:, first:].reshape(each.shape[0], -1, PART).swapaxes(0, 1) for each in (tokens, mask)
        )  # [N B 512]
        cache, others = jax.lax.scan(part, cache, tuple(parts))
        others = others.swapaxes(0, 1).reshape(x.shape[0], -1, x.shape[-1])  # [B N*512 D]
        return jnp.concatenate([x, others], 1), cache

    def _next(
        self, tokens: Int[Array, "B T"], attention_mask: Int[Array, "B T"], cache: Cache
    ) -> tuple[Float[Array, "B T D"], Cache]:
        cfg, (real, places) = self.cfg, next_places(tokens, cache, attention_mask)
        turned = places if cfg.positions == "rotary" else None
        view = LongformerView(groups=real.astype(jnp.int32), tokens=None, places=turned)
        x = self.embeddings(tokens, places + cfg.padding_place + 1)
        ran = run_layers(self.layers, x, view, None, cfg=cfg, caches=cache.layers)
        return self.finished(ran.x), cache.after(real, ran.caches)


def _global_tokens(
    global_attention_mask: Int[Array, "B S"] | None, groups: Int[Array, "B S"], cap: int
) -> GlobalTokens | None:
    if global_attention_mask is None:
        return None
    is_global = (global_attention_mask != 0) & (groups != 0)  # padding sees nothing: it takes no slot
    if not isinstance(is_global, jax.core.Tracer):
        check_global_count(np.asarray(is_global), cap)
    return find_global_tokens(is_global, cap)
