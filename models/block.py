"""One layer: attention and a feed-forward net, each with its residual, dropout and norm."""

from typing import Any

from flax import nnx
from jax import Array
from jaxtyping import Float

from models.config import TransformerConfig
from models.layers import LayerNorm, split_key
from models.mlp import MLPS
from ops.dropout import dropout


class PostNormBlock(nnx.Module):
    """The norm follows each sum, as in the first Transformer, BERT and RoBERTa (Vaswani et al. 2017, section 3.1).

    `attention` maps `(x, view, key)` to an array like `x`; the block never looks into `view`.
    """

    def __init__(self, cfg: TransformerConfig, attention: nnx.Module, *, rngs: nnx.Rngs):
        self.attention = attention
        self.attention_norm = LayerNorm(cfg)
        self.mlp = MLPS[cfg.activation](cfg, rngs=rngs)
        self.mlp_norm = LayerNorm(cfg)
        self.rate = cfg.dropout_rate

    def __call__(self, x: Float[Array, "B S D"], view: Any, key: Array | None = None) -> Float[Array, "B S D"]:
        in_attention, after_attention, after_mlp = split_key(key, 3)
        x = self.attention_norm(x + dropout(self.attention(x, view, in_attention), self.rate, after_attention))
        return self.mlp_norm(x + dropout(self.mlp(x), self.rate, after_mlp))


class PreNormBlock(nnx.Module):
    """The norm stands before each map and the sum itself stays untouched (Xiong et al. 2020, section 3.1).

    The net adds one norm after its last block.
    """

    def __init__(self, cfg: TransformerConfig, attention: nnx.Module, *, rngs: nnx.Rngs):
        self.attention_norm = LayerNorm(cfg)
        self.attention = attention
        self.mlp_norm = LayerNorm(cfg)
        self.mlp = MLPS[cfg.activation](cfg, rngs=rngs)
        self.rate = cfg.dropout_rate

    def __call__(self, x: Float[Array, "B S D"], view: Any, key: Array | None = None) -> Float[Array, "B S D"]:
        in_attention, after_attention, after_mlp = split_key(key, 3)
        x = x + dropout(self.attention(self.attention_norm(x), view, in_attention), self.rate, after_attention)
        return x + dropout(self.mlp(self.mlp_norm(x)), self.rate, after_mlp)


BLOCKS = {"post": PostNormBlock, "pre": PreNormBlock}
