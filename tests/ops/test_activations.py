import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from ops.activations import gelu

X = np.linspace(-12, 12, 4001)


def test_gelu_and_its_slope_are_the_normal_distributions():
    with jax.enable_x64(True):
        value, slope = jax.jit(jax.vmap(jax.value_and_grad(gelu)))(jnp.asarray(X, jnp.float64))
        curve = jax.jit(jax.vmap(jax.grad(jax.grad(gelu))))(jnp.asarray(X, jnp.float64))
    for got, want in (
        (value, X * norm.cdf(X)),
        (slope, norm.cdf(X) + X * norm.pdf(X)),
        (curve, (2 - X**2) * norm.pdf(X)),
    ):
        error = np.abs(np.asarray(got) - want).max()
        print(f"{error:.1e}")
        assert error < 1e-14  # seen 2e-15


@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-6), ("bfloat16", 8e-3)])
def test_a_short_type_costs_its_own_rounding_and_no_more(dtype, most):
    x = jnp.asarray(X, dtype)
    exact = np.asarray(x, np.float64)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(gelu)))(x)
    assert value.dtype == slope.dtype == dtype
    for got, want in ((value, exact * norm.cdf(exact)), (slope, norm.cdf(exact) + exact * norm.pdf(exact))):
        error = (np.abs(np.asarray(got, np.float64) - want) / np.maximum(np.abs(want), 1)).max()
        print(f"{dtype}: {error:.1e}")
        assert error < most
