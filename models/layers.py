"""The two maps with parameters that every part is made of, initialised as in BERT."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from models.config import TransformerConfig
from models.lora import LowRankLinear
from ops.distributed import rows_times_matrix

# Devlin et al. 2019 draw every matrix and table with this deviation, whatever its shape.
INIT = nnx.initializers.normal(0.02)


def dense(
    cfg: TransformerConfig,
    inputs: int,
    outputs: int,
    *,
    rngs: nnx.Rngs,
    name: str = "",
    use_bias: bool | None = None,
) -> nnx.Linear:
    """An affine map that multiplies in `cfg.dtype` and holds float32 parameters; adapted if `name` is to be.

    It has a bias where the net has them, or as `use_bias` says.
    """
    how = {
        "dtype": cfg.compute_dtype,
        "kernel_init": INIT,
        "dot_general": rows_times_matrix,
        "use_bias": cfg.biases if use_bias is None else use_bias,
    }
    if cfg.lora_rank and name in cfg.lora_maps:
        return LowRankLinear(inputs, outputs, rank=cfg.lora_rank, alpha=cfg.lora_alpha, **how, rngs=rngs)
    return nnx.Linear(inputs, outputs, **how, rngs=rngs)


class LayerNorm(nnx.Module):
    """Layer normalisation over the width; statistics in float32, the answer in `cfg.dtype`.

    Source: Ba et al. 2016, equation 4.
    """

    def __init__(self, cfg: TransformerConfig, width: int = 0):
        self.scale = nnx.Param(jnp.ones(width or cfg.width, jnp.float32))
        if cfg.biases:
            self.bias = nnx.Param(jnp.zeros(width or cfg.width, jnp.float32))
        self.epsilon = cfg.norm_epsilon
        self.dtype = cfg.compute_dtype

    def __call__(self, x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        x = x.astype(jnp.float32)
        x = x - x.mean(-1, keepdims=True)
        x = _scaled(x, self.scale, self.epsilon)
        return (x + _row(self.bias, x) if hasattr(self, "bias") else x).astype(self.dtype)


class RMSNorm(nnx.Module):
    """`LayerNorm` without its mean and its bias.

    Source: Zhang and Sennrich 2019, equation 4.
    """

    def __init__(self, cfg: TransformerConfig, width: int = 0):
        self.scale = nnx.Param(jnp.ones(width or cfg.width, jnp.float32))
        self.epsilon = cfg.norm_epsilon
        self.dtype = cfg.compute_dtype

    def __call__(self, x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        return _scaled(x.astype(jnp.float32), self.scale, self.epsilon).astype(self.dtype)


NORMS = {"layer": LayerNorm, "rms": RMSNorm}


def norm(cfg: TransformerConfig, width: int = 0) -> nnx.Module:
    """The norm that the net has everywhere, over `cfg.width` numbers or `width`."""
    return NORMS[cfg.norm_kind](cfg, width)


def _scaled(x: Float[Array, "*N D"], scale: nnx.Param, epsilon: float) -> Float[Array, "*N D"]:
    return x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon) * _row(scale, x)


def _row(param: nnx.Param, x: Float[Array, "*N D"]) -> Float[Array, "..."]:
    return jnp.expand_dims(param[...], tuple(range(x.ndim - 1)))


def split_key(key: Array | None, count: int) -> tuple[Array | None, ...]:
    """One dropout key into `count`; no key (no dropout) stays no key."""
    return (None,) * count if key is None else tuple(jax.random.split(key, count))
