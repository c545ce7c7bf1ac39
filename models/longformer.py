"""The Longformer encoder: a token sees its window, and global tokens see and are seen by all."""

import jax
import numpy as np
from flax import nnx
from jax import Array
from jaxtyping import Int

from models.config import LongformerConfig
from models.stack import Encoder, visible_groups
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


def _global_tokens(
    global_attention_mask: Int[Array, "B S"] | None, groups: Int[Array, "B S"], cap: int
) -> GlobalTokens | None:
    if global_attention_mask is None:
        return None
    is_global = (global_attention_mask != 0) & (groups != 0)  # padding sees nothing: it takes no slot
    if not isinstance(is_global, jax.core.Tracer):
        check_global_count(np.asarray(is_global), cap)
    return find_global_tokens(is_global, cap)
