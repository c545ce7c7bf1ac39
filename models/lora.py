"""Low-rank adaptation: a finished matrix stays as it is, and a product of two narrow ones is trained beside it."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from ops.distributed import rows_times_matrix


class LowRankLinear(nnx.Linear):
    """`x W + b + (alpha / rank) (x A) B`; B starts at zero, so that the map starts as it was.

    Source: Hu et al. 2021, section 4.1.
    """

    def __init__(
        self, inputs: int, outputs: int, *, rank: int, alpha: float, kernel_init: Callable, rngs: nnx.Rngs, **how: Any
    ):
        super().__init__(inputs, outputs, kernel_init=kernel_init, rngs=rngs, **how)
        self.lora_a = nnx.Param(kernel_init(rngs.params(), (inputs, rank), jnp.float32))
        self.lora_b = nnx.Param(jnp.zeros((rank, outputs), jnp.float32))
        self.scale = alpha / rank

    def __call__(self, x: Float[Array, "*N D"]) -> Float[Array, "*N F"]:
        y = super().__call__(x)
        down, up = (each[...].astype(y.dtype) for each in (self.lora_a, self.lora_b))
        return y + self.scale * rows_times_matrix(rows_times_matrix(x.astype(y.dtype), down), up)
