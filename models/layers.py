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


def dense(cfg: TransformerConfig, inputs: int, outputs: int, *, rngs: nnx.Rngs, name: str = "") -> nnx.Linear:
    """An affine map that multiplies in `cfg.dtype` and holds float32 parameters; adapted if `name` is to be."""
    how = {"dtype": cfg.compute_dtype, "kernel_init": INIT, "dot_general": rows_times_matrix}
    if cfg.lora_rank and name in cfg.lora_maps:
        return LowRankLinear(inputs, outputs, rank=cfg.lora_rank, alpha=cfg.lora_alpha, **how, rngs=rngs)
    return nnx.Linear(inputs, outputs, **how, rngs=rngs)


class LayerNorm(nnx.Module):
    """Layer normalisation over the width; statistics in float32, the answer in `cfg.dtype`.

    Source: Ba et al. 2016, equation 4.
    """

    def __init__(self, cfg: TransformerConfig):
        self.scale = nnx.Param(jnp.ones(cfg.width, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(cfg.width, jnp.float32))
        self.epsilon = cfg.norm_epsilon
        self.dtype = cfg.compute_dtype

    def __call__(self, x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        x = x.astype(jnp.float32)
        x = x - x.mean(-1, keepdims=True)
        deviation = jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + self.epsilon)
        leading = tuple(range(x.ndim - 1))
        scale, bias = (jnp.expand_dims(each[...], leading) for each in (self.scale, self.bias))
        return (x * deviation * scale + bias).astype(self.dtype)


def split_key(key: Array | None, count: int) -> tuple[Array | None, ...]:
    """One dropout key into `count`; no key (no dropout) stays no key."""
    return (None,) * count if key is None else tuple(jax.random.split(key, count))
