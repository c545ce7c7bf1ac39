"""What is known of the sliding window's TPU kernels where there is no TPU; their values are in test_sliding_window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops import backends
from ops.global_tokens import find_global_tokens
from ops.sliding_window import sliding_window_attention
from ops.window import Window
from ops.window_tpu_kernels import Walk
from tests.ops.jaxprs import equations


@pytest.fixture
def tpu_allowed(monkeypatch):
    monkeypatch.setattr(backends, "NEEDS", {})


def traced(length, dtype="float32", *, window, K=64, slots=4, rate=0.0):
    """The gradient of all arguments, traced for arrays that nobody makes."""
    x = jax.ShapeDtypeStruct((2, length, 2, K), dtype)

    def loss(q, k, v, is_global, key):
        tokens = find_global_tokens(is_global, slots) if slots else None
        how = {"tokens": tokens, "dropout_rate": rate, "dropout_key": key}
        return sliding_window_attention(q, k, v, window=window, implementation="tpu", **how).sum()

    step = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    return step.trace(x, x, x, jax.ShapeDtypeStruct((2, length), bool), jax.eval_shape(lambda: jax.random.key(0)))


@pytest.mark.usefixtures("tpu_allowed")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("K", [64, 128])
@pytest.mark.parametrize(
    ("slots", "rate", "window"),
    [
        (0, 0.0, Window(100)),
        (4, 0.0, Window(100, causal=True)),
        (4, 0.1, Window(100)),
        (300, 0.1, Window((5, 9), dilation=(2, 1), causal=True)),
    ],
)
def test_the_kernels_compile_down_to_mosaic_without_a_tpu(dtype, K, slots, rate, window):
    step = traced(700, dtype, K=K, window=window, slots=slots, rate=rate)
    program = step.lower(lowering_platforms=("tpu",)).as_text()
    for kernel in ("attend_kernel", "queries_kernel", "keys_kernel", "slots_kernel"):
        assert (kernel in program) == (slots > 0 or kernel != "slots_kernel")


@pytest.mark.usefixtures("tpu_allowed")
def test_the_steps_of_the_kernels_grow_with_the_length_and_the_window_alone():
    def steps(length, width):
        program = equations(traced(length, window=Window(width)).jaxpr.jaxpr)
        kernels = [each.params["grid_mapping"] for each in program if each.primitive.name == "pallas_call"]
        return [int(np.prod(kernel.grid)) for kernel in kernels]

    # examples x heads x blocks of 256 x steps: three blocks of keys or queries; for the slots all blocks of queries
    assert steps(2048, 256) == [4 * 8 * 3] * 3 + [4 * 8]
    assert steps(4096, 256) == [4 * 16 * 3] * 3 + [4 * 16]
    assert steps(4096, 400) == [4 * 16 * 5] * 3 + [4 * 16]


def test_a_walk_comes_by_each_block_that_it_touches_once_and_leaves_no_end():
    walk = Walk(first=-1, last=1, blocks=4)
    assert [[int(walk.block(n, j)) for j in range(5)] for n in range(4)] == [
        [0, 1, 2, 2, 2],
        [0, 1, 2, 2, 2],
        [1, 2, 3, 3, 3],
        [1, 2, 3, 3, 3],
    ]
    assert [[bool(walk.touches(n, j)) for j in range(5)] for n in range(4)] == [
        [True, True, False, False, False],
        [True, True, True, False, False],
        [True, True, True, False, False],
        [False, True, True, False, False],
    ]


def test_blocks_as_large_as_on_a_tpu_agree_with_xla():
    q, k, v, up = np.random.default_rng(0).normal(size=(4, 1, 2100, 1, 8)).astype(np.float32)
    tokens = find_global_tokens(jnp.arange(2100)[None] % 7 == 0, 300)
    how = {"tokens": tokens, "dropout_rate": 0.2, "dropout_key": jax.random.key(1)}

    def road(implementation):
        how_here = how | {"window": Window(1100, causal=True), "implementation": implementation}
        out, pull = jax.vjp(lambda *x: sliding_window_attention(*x, **how_here), q, k, v)
        return [out, *pull(up)]

    want, got = (jax.jit(road, static_argnums=0)(name) for name in ("xla", "tpu_interpreted"))
    errors = [float(jnp.abs(a - b).max()) for a, b in zip(want, got, strict=True)]
    print("errors", errors)
    assert max(errors) < 1e-5  # measured 1.3e-6


def test_a_tpu_program_is_refused_where_there_is_none():
    if jax.default_backend() == "tpu":
        pytest.skip("there is a TPU")
    q = jnp.zeros((1, 8, 1, 4))
    with pytest.raises(InputError, match="implementation='tpu' needs a TPU, and JAX computes on cpu here"):
        sliding_window_attention(q, q, q, window=2, implementation="tpu")
