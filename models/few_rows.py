"""A net laid out for steps of a few rows on a processor, which takes most of its time to read the weights."""

import math
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from models.embeddings import Embeddings
from ops.distributed import rows_times_matrix

Net = TypeVar("Net", bound=nnx.Module)
MANY = 128  # rows, as of a prompt that is read: to turn the answer back takes longer than to rearrange the matrix
PIECES = 8  # of a matrix that meets one row, side by side: 2 to 16 took as long, and no pieces or 32 took longer


class TurnedLinear(nnx.Module):
    """An `nnx.Linear` whose matrix lies turned around and is the first factor: the same map, summed in another order.

    XLA for CPUs then reads the matrix as it lies; the other way around it rearranges it for each product, which costs
    little with many rows.
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
        y = few_rows_times(rows, matrix) if rows.shape[0] < MANY else rows @ matrix.T
        y = y if self.bias is None else y + self.bias[...].astype(y.dtype)[None]
        return y.reshape(*x.shape[:-1], -1)


def few_rows_times(x: Float[Array, "N D"], turned: Float[Array, "F D"], **how: Any) -> Float[Array, "N F"]:
    """`x @ turned.T`, as `turned @ x.T`; the barriers keep XLA from making it into the first.

    One row meets the matrix in pieces side by side, which XLA shares out over threads sooner than one long product.
    """
    F, D = turned.shape
    if x.shape[0] > 1:
        return jax.lax.optimization_barrier(jnp.matmul(turned, x.T, **how)).T
    pieces = math.gcd(F, PIECES)
    row = jnp.broadcast_to(x, (pieces, D))
    y = jnp.einsum("pfd,pd->pf", turned.reshape(pieces, -1, D), row, **how)
    return jax.lax.optimization_barrier(y).reshape(1, F)


def row_times_matrix(x: Float[Array, "*N D"], matrix: Float[Array, "D V"], **how: Any) -> Float[Array, "*N V"]:
    """`rows_times_matrix` where the matrix is a table that was turned for the product: one row meets it as it lies."""
    if x.size > x.shape[-1]:
        return rows_times_matrix(x, matrix, **how)
    return few_rows_times(x.reshape(1, -1), matrix.T, **how).reshape(*x.shape[:-1], -1)


def laid_out(net: Net) -> Net:
    """`net` with a `TurnedLinear` for each `nnx.Linear` where JAX computes on a processor, or as it is elsewhere.

    A table that gives logits stays as it is, since its rows are what an output's matrix has when it is turned.
    """
    if jax.default_backend() != "cpu":
        return net
    net = nnx.clone(net)
    for _, module in list(nnx.iter_modules(net)):
        if isinstance(module, Embeddings):
            module.times = row_times_matrix
        for name, part in list(vars(module).items()):
            if type(part) is nnx.Linear:
                setattr(module, name, TurnedLinear(part))
    return net
