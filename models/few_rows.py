"""A net laid out for steps of a few rows on a processor, which takes most of its time to read the weights."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

Net = TypeVar("Net", bound=nnx.Module)
MANY = 128  # rows, as of a prompt that is read: to turn the answer back takes longer than to rearrange the matrix


class TurnedLinear(nnx.Module):
    """An `nnx.Linear` whose matrix lies turned around and is the first factor: the same map, summed in another order.

    XLA for CPUs then reads the matrix as it lies; the other way around it rearranges it for each product, which costs
    little with many rows (experiments/decoding has what that gives with 8).
    """

    def __init__(self, linear: nnx.Linear):
        kernel = linear.kernel[...] if linear.dtype is None else linear.kernel[...].astype(linear.dtype)
        self.turned = nnx.Param(jnp.swapaxes(kernel, -1, -2))
        self.bias = linear.bias

    @property
    def kernel(self) -> Float[Array, "*L D F"]:
        return jnp.swapaxes(self.turned[...], -1, -2)

    def __call__(self, x: Float[Array, "*N D"]) -> Float[Array, "*N F"]:
        matrix = self.turned[...]
        rows = x.reshape(-1, x.shape[-1]).astype(matrix.dtype)
        # The barrier keeps XLA from making the first product into the second.
        few = rows.shape[0] < MANY
        y = jax.lax.optimization_barrier(matrix @ rows.T).T if few else rows @ matrix.T
        y = y if self.bias is None else y + self.bias[...].astype(y.dtype)[None]
        return y.reshape(*x.shape[:-1], -1)


def laid_out(net: Net) -> Net:
    """`net` with a `TurnedLinear` for each `nnx.Linear` where JAX computes on a processor, or as it is elsewhere."""
    if jax.default_backend() != "cpu":
        return net
    net = nnx.clone(net)
    for _, module in list(nnx.iter_modules(net)):
        for name, part in list(vars(module).items()):
            if type(part) is nnx.Linear:
                setattr(module, name, TurnedLinear(part))
    return net
