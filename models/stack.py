"""What every encoder shares: embeddings, then blocks, then in pre-norm nets a last norm."""

from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from models.block import BLOCKS
from models.config import TransformerConfig
from models.embeddings import Embeddings
from models.layers import LayerNorm, split_key
from ops.distributed import rows_shared
from ops.masks import token_groups


class Encoder(nnx.Module):
    """A stack over `attentions`, one module per layer; a net says which, and what its tokens may see.

    It holds parameters only: dropout keys arrive with the call, so the net splits and merges as a plain tree.
    """

    def __init__(self, cfg: TransformerConfig, attentions: Sequence[nnx.Module], *, rngs: nnx.Rngs):
        self.cfg = cfg
        self.embeddings = Embeddings(cfg, rngs=rngs)
        self.layers = nnx.List([BLOCKS[cfg.norm](cfg, attention, rngs=rngs) for attention in attentions])
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
        in_embeddings, *in_layers = split_key(None if rngs is None else rngs.dropout(), 1 + len(self.layers))
        x = self.embeddings(input_ids, position_ids, token_type_ids, in_embeddings)
        for layer, key in zip(self.layers, in_layers, strict=True):
            x = rows_shared(x)
            x = recomputed(layer, x, view, key) if self.cfg.remat else layer(x, view, key)
        return self.final_norm(x) if self.cfg.norm == "pre" else x


def recomputed(layer: nnx.Module, x: Float[Array, "B S D"], view: Any, key: Array | None) -> Float[Array, "B S D"]:
    """`layer(x, view, key)` that keeps no activation inside: the backward pass runs it again (Chen et al. 2016)."""
    graph, state = nnx.split(layer)
    return jax.checkpoint(lambda state, *inputs: nnx.merge(graph, state)(*inputs))(state, x, view, key)


def visible_groups(
    input_ids: Int[Array, "B S"], attention_mask: Int[Array, "B S"] | None, segment_ids: Int[Array, "B S"] | None
) -> Int[Array, "B S"]:
    """One number per token: 0 hides it; tokens with equal numbers may see each other."""
    real = None if attention_mask is None else attention_mask != 0
    return token_groups(input_ids.shape, real=real, segment_ids=segment_ids)
