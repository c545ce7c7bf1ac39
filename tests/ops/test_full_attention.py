import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ops.attention import dot_product_attention
from ops.full_attention import full_attention
from ops.masks import causal_mask, segment_mask


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "rate"), [(24, 0.0), (21, 0.4), (65, 0.4), (7, 0.0)])
def test_values_and_gradients_are_those_of_the_dense_attention(length, rate, causal):
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 3, (2, length)))
    how = {"dropout_rate": rate, "dropout_key": jax.random.key(1) if rate else None}

    @jax.jit
    def both(groups, up, *qkv):
        seen = segment_mask(groups) & (causal_mask(length) if causal else True)
        roads = (
            lambda *x: dot_product_attention(*x, mask=seen, **how),
            lambda *x: full_attention(*x, groups=groups, block=8, causal=causal, **how),
        )
        return [[out, *pull(up)] for out, pull in (jax.vjp(road, *qkv) for road in roads)]

    with jax.enable_x64(True):
        want, got = both(*map(jnp.asarray, (groups, *rng.normal(size=(4, 2, length, 2, 4)))))
        error = max(float(jnp.abs(a - b).max()) for a, b in zip(want, got, strict=True))
    print("error", error)
    assert error < 1e-13  # measured 2e-15


def test_without_groups_every_token_sees_every_token():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 9, 2, 4)).astype(np.float32)
    error = np.abs(jax.jit(full_attention)(q, k, v) - jax.jit(dot_product_attention)(q, k, v)).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7
