"""One layer: attention and a feed-forward net, each with its residual, dropout and norm."""

from collections.abc import Callable
from typing import Any

from flax import nnx
from jax import Array
from jaxtyping import Float

from models.config import TransformerConfig
from models.layers import norm, split_key
from models.mlp import mlp
from ops.dropout import dropout


class Block(nnx.Module):
    """`attention` maps `(x, view, key, cache)` to an array like `x` and its cache; the block sees into neither of them.

    A cache is what decoding token by token has kept; in training there is none, and None comes back.
    """

    def __init__(self, cfg: TransformerConfig, attention: nnx.Module, *, rngs: nnx.Rngs, first: bool = False):
        self.attention = attention
        if not (first and cfg.embedding_norm):
            self.attention_norm = norm(cfg)
        self.mlp = mlp(cfg, rngs=rngs)
        self.mlp_norm = norm(cfg)
        self.rate = cfg.dropout_rate
        self.order = cfg.norm

    def __call__(
        self, x: Float[Array, "B S D"], view: Any, key: Array | None = None, cache: Any = None
    ) -> tuple[Float[Array, "B S D"], Any]:
        in_attention, after_attention, after_mlp = split_key(key, 3)
        before, after = self.norms("attention_norm")
        y, cache = self.attention(before(x), view, in_attention, cache)
        x = after(x + dropout(y, self.rate, after_attention))
        before, after = self.norms("mlp_norm")
        return after(x + dropout(self.mlp(before(x)), self.rate, after_mlp)), cache

    def maps(self, x: Float[Array, "B S D"], view: Any) -> Float[Array, "B H S S"]:
        """The probabilities of its attention, where `x` comes in."""
        return self.attention.weights(self.norms("attention_norm")[0](x), view)

    def norms(self, name: str) -> tuple[Callable, Callable]:
        """What stands before a branch and what after its sum; one of the two is the norm.

        After it, as in the first Transformer, BERT and RoBERTa (Vaswani et al. 2017, section 3.1); or before it, so
        that the sum itself stays untouched (Xiong et al. 2020, section 3.1): the net then adds one norm at its end.
        """
        own = getattr(self, name, _as_it_is)
        return (_as_it_is, own) if self.order == "post" else (own, _as_it_is)


def _as_it_is(x: Array) -> Array:
    return x
