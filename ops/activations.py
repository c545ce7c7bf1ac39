"""Activations that the field writes in one way and computes in another."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x times the normal distribution function of x, exact; BERT's and RoBERTa's, not the tanh approximation.

    In float32 at least, by erf as in PyTorch: `jax.nn.gelu` takes erfc, which keeps more digits of the values near 0
    below x = -3 and costs more than twice as much on a processor. For the backward pass one array is kept, the slope.

    Source: Hendrycks and Gimpel 2016, section 2.
    """
    return _value_and_slope(x)[0]


@gelu.defjvp
def _gelu_jvp(inputs, tangents):
    value, slope = _value_and_slope(*inputs)
    return value, slope * tangents[0]


def gelu_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`gelu` as GPT-2, ALBERT and T5 1.1 approximate it, with a tanh; at most 5e-4 from it.

    Source: Hendrycks and Gimpel 2016, section 2, second formula.
    """
    return jax.nn.gelu(x, approximate=True)


def _value_and_slope(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    exact = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    below = 0.5 + 0.5 * jax.lax.erf(exact * math.sqrt(0.5))
    density = jnp.exp(-0.5 * jnp.square(exact)) * (1 / math.sqrt(2 * math.pi))
    return (exact * below).astype(x.dtype), (below + exact * density).astype(x.dtype)
