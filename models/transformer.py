"""The Transformer: every token sees every other, or in a causal one those before it."""

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from errors import InputError
from models.attention import FullView, SelfAttention
from models.cache import Cache, empty_cache, kept_within, next_places, next_view
from models.config import TransformerConfig
from models.depth import fresh_caches, run_layers
from models.key_values import KeyValues
from models.relative import RelativePositions, relative_bias
from models.stack import Encoder, visible_groups
from ops.masks import causal_mask, padding_mask, segment_mask

# Tokens. Up to here one product for all pairs is as fast as blocks of queries, and simpler for a compiler; on a CPU at
# 2,048 blocks took half the time. Beyond, the pairs' memory would be the largest of a training step.
LONGEST_MASKED_ROW = 512


class Transformer(Encoder):
    """A stack with full attention: time grows with the square of the length.

    Rows of more than 512 tokens are attended in blocks of queries, so memory grows with the length alone; but not with
    relative positions, whose scores are an array of all pairs.

    Source: Vaswani et al. 2017, section 3; Devlin et al. 2019, section 3.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(cfg, lambda _, rngs: SelfAttention(cfg, rngs=rngs), rngs=rngs)
        if cfg.positions == "relative":
            self.relative = RelativePositions(cfg, rngs=rngs)

    def view(
        self,
        input_ids: Int[Array, "B S"],
        attention_mask: Int[Array, "B S"] | None,
        segment_ids: Int[Array, "B S"] | None,
        places: Int[Array, "B S"] | None,
    ) -> FullView:
        length = input_ids.shape[1]
        if length > LONGEST_MASKED_ROW and self.cfg.positions != "relative":
            return FullView(groups=visible_groups(input_ids, attention_mask, segment_ids), places=places)
        mask = visible_pairs(input_ids, attention_mask, segment_ids, causal=self.cfg.causal)
        return FullView(mask=mask, places=places, bias=relative_bias(self, jnp.arange(length), length))

    def empty_cache(self, batch: int, capacity: int) -> Cache:
        """Room for `capacity` tokens in each of `batch` rows.

        Raises:
          InputError: the net is not causal, or has no places for so many.
        """
        cfg = self.cfg
        if not cfg.causal:
            raise InputError("only a causal net is decoded step by step: set causal")
        cfg.check_length(capacity, what="a text to write")
        layers = fresh_caches(self.layers, lambda: KeyValues.empty(batch, capacity, cfg), cfg=cfg)
        return empty_cache(batch, layers, capacity=capacity)

    def step(
        self, tokens: Int[Array, "B T"], cache: Cache, *, attention_mask: Int[Array, "B T"] | None = None
    ) -> tuple[Float[Array, "B T D"], Cache]:
        """The last hidden states of the next T tokens, and the cache with these. NaN where the cache is full.

        `attention_mask` is 0 at padding, as it stands before the shorter prompts of a batch; places count real tokens.
        """
        cfg, (real, places) = self.cfg, next_places(tokens, cache, attention_mask)
        view, seen = next_view(real, cache)
        if cfg.positions == "rotary":
            view = view._replace(places=places)
        view = view._replace(bias=relative_bias(self, cache.filled + jnp.arange(tokens.shape[1]), seen.shape[1]))
        x = self.embeddings(tokens, places + cfg.padding_place + 1)
        ran = run_layers(self.layers, x, view, None, cfg=cfg, caches=cache.layers)
        x = kept_within(self.finished(ran.x), cache)
        return x, cache.after(real, ran.caches, seen)


def visible_pairs(
    input_ids: Int[Array, "B S"],
    attention_mask: Int[Array, "B S"] | None,
    segment_ids: Int[Array, "B S"] | None,
    *,
    causal: bool,
) -> Bool[Array, "#B #T S"] | None:
    """The smallest mask that says it: none, one row of keys, or all pairs."""
    before = causal_mask(input_ids.shape[1]) if causal else None
    if segment_ids is not None:
        seen = segment_mask(visible_groups(input_ids, attention_mask, segment_ids))
    elif attention_mask is not None:
        seen = padding_mask(attention_mask != 0)
    else:
        return before
    return seen if before is None else seen & before
