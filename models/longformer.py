"""The Longformer encoder: a token sees its window, and global tokens see and are seen by all."""

import jax
import numpy as np
from flax import nnx
from jax import Array
from jaxtyping import Int

from models.config import LongformerConfig
from models.embeddings import place_ids
from models.outputs import EncoderOutput, Request
from models.stack import Encoder, real_tokens, visible_groups
from models.window_attention import LongformerSelfAttention, LongformerView
from ops.distributed import find_global_tokens
from ops.global_tokens import GlobalTokens, check_global_count


class Longformer(Encoder):
    """A bidirectional encoder whose time and memory grow in proportion to the length.

    Source: Beltagy et al. 2020, section 3.
    """

    def __init__(self, cfg: LongformerConfig, *, rngs: nnx.Rngs):
        super().__init__(
            cfg, lambda number, rngs: LongformerSelfAttention(cfg, cfg.window(number), rngs=rngs), rngs=rngs
        )

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"] | None = None,
        global_attention_mask: Int[Array, "B S"] | None = None,
        token_type_ids: Int[Array, "B S"] | None = None,
        position_ids: Int[Array, "#B S"] | None = None,
        segment_ids: Int[Array, "B S"] | None = None,
        rngs: nnx.Rngs | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """As `Transformer`; `global_attention_mask` is 1 at the tokens that see, and are seen by, their whole document.

        Under `jax.jit` a mask's values are unknown here: call `ops.global_tokens.check_global_count` on a batch first,
        or tokens beyond `cfg.max_global_tokens` stay local without a word.

        Raises:
          InputError: as `Transformer`; and outside `jax.jit`, for more global tokens than `cfg.max_global_tokens`.
        """
        places = place_ids(self.cfg, input_ids, position_ids, real=real_tokens(attention_mask, segment_ids))
        groups = visible_groups(input_ids, attention_mask, segment_ids)
        view = LongformerView(
            groups=groups,
            tokens=_global_tokens(global_attention_mask, groups, self.cfg.max_global_tokens),
            places=places if self.cfg.positions == "rotary" else None,
        )
        request = Request(output_hidden_states, output_attentions)
        return self.encode(input_ids, places, token_type_ids, view, rngs, request)


def _global_tokens(
    global_attention_mask: Int[Array, "B S"] | None, groups: Int[Array, "B S"], cap: int
) -> GlobalTokens | None:
    if global_attention_mask is None:
        return None
    is_global = (global_attention_mask != 0) & (groups != 0)  # padding sees nothing: it takes no slot
    if not isinstance(is_global, jax.core.Tracer):
        check_global_count(np.asarray(is_global), cap)
    return find_global_tokens(is_global, cap)
