"""The position-wise half of a block."""

from flax import nnx
from jax import Array
from jaxtyping import Float

from models.config import TransformerConfig
from models.layers import dense
from ops.activations import gelu


class GeluMlp(nnx.Module):
    """`down(gelu(up(x)))` with the exact error-function GELU of BERT and RoBERTa, not its tanh approximation.

    Source: Hendrycks and Gimpel 2016; Vaswani et al. 2017, section 3.3.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.up = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="up")
        self.down = dense(cfg, cfg.mlp_width, cfg.width, rngs=rngs, name="down")

    def __call__(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        return self.down(gelu(self.up(x)))


class GegluMlp(nnx.Module):
    """`down(gelu(gate(x)) * up(x))`; a third matrix, so `mlp_width` of 2/3 the usual costs the same.

    Source: Shazeer 2020, equation 6; biases kept.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.gate = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="gate")
        self.up = dense(cfg, cfg.width, cfg.mlp_width, rngs=rngs, name="up")
        self.down = dense(cfg, cfg.mlp_width, cfg.width, rngs=rngs, name="down")

    def __call__(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        return self.down(gelu(self.gate(x)) * self.up(x))


MLPS = {"gelu": GeluMlp, "geglu": GegluMlp}
