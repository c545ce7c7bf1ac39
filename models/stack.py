"""What every encoder shares: embeddings, then blocks, then in pre-norm nets a last norm."""

from typing import Any

from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.block import BLOCKS
from models.config import TransformerConfig
from models.depth import Make, make_layers, run_layers
from models.embeddings import Embeddings
from models.layers import LayerNorm, split_key
from ops.masks import token_groups


class Encoder(nnx.Module):
    """A stack of blocks; a net says what stands in each for attention, by the layer's number, and what tokens may see.

    It holds parameters only: dropout keys arrive with the call, so the net splits and merges as a plain tree.
    """

    def __init__(self, cfg: TransformerConfig, make_attention: Make, *, rngs: nnx.Rngs):
        self.cfg = cfg
        self.embeddings = Embeddings(cfg, rngs=rngs)
        self.layers = make_layers(
            lambda number, rngs: BLOCKS[cfg.norm](cfg, make_attention(number, rngs), rngs=rngs), cfg, rngs=rngs
        )
        if cfg.norm == "pre":
            self.final_norm = LayerNorm(cfg)

    def encode(
        self,
        input_ids: Int[Array, "B S"],
        position_ids: Int[Array, "B S"],
        token_type_ids: Int[Array, "B S"] | None,
        view: Any,
        rngs: nnx.Rngs | None,
    ) -> Float[Array, "B S D"]:
        """The last hidden state; `view` goes to each layer's attention as it is."""
        in_embeddings, in_layers = split_key(None if rngs is None else rngs.dropout(), 2)
        x = self.embeddings(input_ids, position_ids, token_type_ids, in_embeddings)
        x = run_layers(self.layers, x, view, in_layers, cfg=self.cfg)
        return self.final_norm(x) if self.cfg.norm == "pre" else x


def visible_groups(
    input_ids: Int[Array, "B S"], attention_mask: Int[Array, "B S"] | None, segment_ids: Int[Array, "B S"] | None
) -> Int[Array, "B S"]:
    """One number per token: 0 hides it; tokens with equal numbers may see each other."""
    real = None if attention_mask is None else attention_mask != 0
    return token_groups(input_ids.shape, real=real, segment_ids=segment_ids)


def real_tokens(
    attention_mask: Int[Array, "B S"] | None, segment_ids: Int[Array, "B S"] | None
) -> Bool[Array, "B S"] | None:
    """Which are no padding; None: all."""
    if attention_mask is None or segment_ids is None:
        told = attention_mask if segment_ids is None else segment_ids
        return None if told is None else told != 0
    return (attention_mask != 0) & (segment_ids != 0)
