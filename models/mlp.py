"""The position-wise half of a block."""

from collections.abc import Callable

import jax
from flax import nnx
from jax import Array
from jaxtyping import Float

from models.config import TransformerConfig
from models.layers import dense
from ops.activations import gelu, gelu_tanh

FUNCTIONS = {"gelu": gelu, "gelu_tanh": gelu_tanh, "relu": jax.nn.relu}
GATED = {"geglu": gelu, "geglu_tanh": gelu_tanh}


class Mlp(nnx.Module):
    """`down(f(up(x)))`; f is by default BERT's and RoBERTa's exact error-function GELU.

    Source: Hendrycks and Gimpel 2016; Vaswani et al. 2017, section 3.3.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.up = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="up")
        self.down = dense(cfg, cfg.mlp_width, cfg.width, rngs=rngs, name="down")
        self.function = FUNCTIONS[cfg.activation]

    def __call__(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        return self.down(self.function(self.up(x)))


class GatedMlp(nnx.Module):
    """`down(f(gate(x)) * up(x))`; a third matrix, so `mlp_width` of 2/3 the usual costs the same.

    Source: Shazeer 2020, equation 6; biases kept.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.gate = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="gate")
        self.up = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="up")
        self.down = dense(cfg, cfg.mlp_width, cfg.width, rngs=rngs, name="down")
        self.function = GATED[cfg.activation]

    def __call__(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        return self.down(self.function(self.gate(x)) * self.up(x))


def mlp(cfg: TransformerConfig, *, rngs: nnx.Rngs) -> nnx.Module:
    """The `Mlp` or `GatedMlp` of `cfg.activation`: [B S D] to [B S D]."""
    return (GatedMlp if cfg.activation in GATED else Mlp)(cfg, rngs=rngs)


def ungated(cfg: TransformerConfig) -> Callable[[Array], Array]:
    """The net's activation, as it stands in heads."""
    return (FUNCTIONS | GATED)[cfg.activation]
