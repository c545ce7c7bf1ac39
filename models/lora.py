"""Low-rank adaptation: a finished matrix stays as it is, and a product of two narrow ones is trained beside it."""

from collections.abc import Callable, Mapping
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


def merged(params: Mapping[str, Array], alpha: float) -> dict[str, Array]:
    """By path, the parameters of a net without adaptations that answers the same: each is added to its matrix.

    Those of stacked layers stay stacked. Source: Hu et al. 2021, section 4.1.
    """
    whole = {path: value for path, value in params.items() if not path.endswith((".lora_a", ".lora_b"))}
    for path, down in params.items():
        place, _, leaf = path.rpartition(".")
        if leaf == "lora_a":
            up = params[f"{place}.lora_b"]
            product = jnp.matmul(down, up, precision="highest")
            whole[f"{place}.kernel"] = whole[f"{place}.kernel"] + alpha / down.shape[-1] * product
    return whole
