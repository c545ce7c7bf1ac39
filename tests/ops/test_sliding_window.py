"""The sliding window against the dense oracle, and the laws that hold for any length, window and global tokens."""

from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from errors import InputError
from ops import backends
from ops.attention import longformer_attention_dense
from ops.global_tokens import find_global_tokens, take_rows
from ops.longformer import longformer_attention
from ops.masks import token_groups
from ops.sliding_window import sliding_window_attention
from ops.window import Window
from tests.ops.jaxprs import array_sizes


@dataclass(frozen=True)
class Shape:
    """What a compilation depends on; few of them, as each costs seconds."""

    length: int
    window: int | Window
    block: int
    slots: int
    dropout: float = 0.0


SHAPES = [
    Shape(length=32, window=4, block=8, slots=0),
    Shape(length=37, window=5, block=8, slots=5),
    Shape(length=9, window=2, block=4, slots=9),
    Shape(length=7, window=9, block=16, slots=2),
    Shape(length=1, window=1, block=1, slots=1),
    Shape(length=41, window=6, block=16, slots=8, dropout=0.4),
    Shape(length=35, window=Window(5, causal=True), block=8, slots=4),
    Shape(length=35, window=Window((2, 7), causal=True), block=16, slots=4, dropout=0.3),
    Shape(length=43, window=Window((3, 1), dilation=(4, 1)), block=8, slots=5, dropout=0.3),
    Shape(length=30, window=Window(2, dilation=3, causal=True), block=4, slots=3),
    Shape(length=5, window=Window(2, dilation=9), block=4, slots=1),
]
B, H, K = 2, 2, 4


# Every backend, interpreted where there is no such device.
RUNNING_HERE = ["xla", "triton_interpreted", "tpu_interpreted"]
# A program compiles for seconds: the plain one for every shape, the kernels for three of them; the others are slow.
QUICKLY = [(shape, "xla") for shape in SHAPES] + [
    (SHAPES[at], kernel) for kernel in RUNNING_HERE[1:] for at in (1, 7, 9)
]
ROADS = QUICKLY + [
    pytest.param(shape, kernel, marks=pytest.mark.slow)
    for shape in SHAPES
    for kernel in RUNNING_HERE
    if (shape, kernel) not in QUICKLY
]


@lru_cache
def compiled(shape: Shape, implementation: str):
    """(arrays, cotangent, is_global, real, segment_ids) -> (values and gradients) by either road."""
    drops = {"dropout_rate": shape.dropout, "dropout_key": jax.random.key(7) if shape.dropout else None}

    def dense(is_global, real, segment_ids, *x):
        how = {"is_global": is_global, "real": real, "segment_ids": segment_ids}
        return longformer_attention_dense(x[:3], x[3:], window=shape.window, **how, **drops)

    def fast(is_global, real, segment_ids, q, k, v, q_global, k_global, v_global):
        groups = token_groups(real.shape, real=real, segment_ids=segment_ids)
        how = {"window": shape.window, "groups": groups, "block": shape.block, **drops}
        how["implementation"] = implementation
        if not shape.slots:
            near_key = jax.random.split(how.pop("dropout_key"))[0] if shape.dropout else how.pop("dropout_key")
            return sliding_window_attention(q, k, v, dropout_key=near_key, **how)
        tokens = find_global_tokens(is_global, shape.slots)
        wide = take_rows(q_global, tokens), k_global, v_global
        return longformer_attention((q, k, v), wide, tokens, **how)

    def run(arrays, up, *structure):
        roads = (partial(road, *structure) for road in (dense, fast))
        return [[out, *pull(up)] for out, pull in (jax.vjp(road, *arrays) for road in roads)]

    return jax.jit(run)


def largest_error(shape: Shape, implementation: str, *, seed=0, share_global=0.1, share_real=0.9, segments=1) -> float:
    rng = np.random.default_rng(seed)
    real = rng.random((B, shape.length)) < share_real
    is_global = (rng.random((B, shape.length)) < share_global) & real
    is_global &= np.cumsum(is_global, 1) <= shape.slots
    segment_ids = np.sort(rng.integers(0 if segments > 1 else 1, segments + 1, (B, shape.length)))
    with jax.enable_x64(True):
        *arrays, up = (jnp.asarray(rng.normal(size=(B, shape.length, H, K))) for _ in range(7))
        structure = (jnp.asarray(x) for x in (is_global, real, segment_ids))
        want, got = compiled(shape, implementation)(arrays, up, *structure)
        return max(float(jnp.abs(a - b).max()) for a, b in zip(want, got, strict=True))


@pytest.mark.parametrize(("shape", "implementation"), ROADS, ids=str)
@pytest.mark.parametrize(
    "data",
    [{}, {"share_global": 1.0}, {"share_global": 0.0, "share_real": 1.0}, {"share_real": 0.0}, {"segments": 3}],
    ids=str,
)
def test_values_and_gradients_agree_with_the_dense_oracle(shape, data, implementation):
    error = largest_error(shape, implementation, **data)
    print("error", error)
    assert error < 1e-13  # measured 3e-15


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from(QUICKLY),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.sampled_from([0.2, 0.8, 1.0]),
    st.integers(1, 4),
)
def test_values_and_gradients_agree_with_the_dense_oracle_for_any_data(road, seed, share_global, share_real, segments):
    data = {"seed": seed, "share_global": share_global, "share_real": share_real, "segments": segments}
    error = largest_error(*road, **data)
    assert error < 1e-13


@st.composite
def shapes(draw) -> Shape:
    """Any length, widths and dilations alike or per head, causal or not, any block, number of slots and dropout."""
    per_head = st.lists(st.integers(1, 40), min_size=H, max_size=H).map(tuple)
    window = Window(
        draw(st.integers(1, 40) | per_head),
        draw(st.integers(1, 6) | st.lists(st.integers(1, 6), min_size=H, max_size=H).map(tuple)),
        draw(st.booleans()),
    )
    sizes = {"length": st.integers(1, 70), "block": st.integers(1, 80), "slots": st.integers(0, 9)}
    return Shape(
        **{name: draw(each) for name, each in sizes.items()}, window=window, dropout=draw(st.sampled_from(RATES))
    )


RATES = [0.0, 0.3]
NO_SHRINKING = (Phase.explicit, Phase.generate)  # which compiles anew for every try
ANY_DATA = {
    "seed": st.integers(0, 2**31),
    "share_global": st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    "share_real": st.sampled_from([0.0, 0.2, 0.8, 1.0]),
    "segments": st.integers(1, 4),
}


def agrees(shape, implementation, **data):
    error = largest_error(shape, implementation, **data)
    print("error", error)
    assert error < 1e-13  # measured 6e-15


@pytest.mark.slow
@settings(max_examples=4, deadline=None, database=None, derandomize=True, phases=NO_SHRINKING)
@given(shapes(), st.sampled_from(RUNNING_HERE), st.fixed_dictionaries(ANY_DATA))
def test_values_and_gradients_agree_with_the_dense_oracle_for_any_options(shape, implementation, data):
    agrees(shape, implementation, **data)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", RUNNING_HERE)
@settings(max_examples=150, deadline=None, database=None, phases=NO_SHRINKING)
@given(shape=shapes(), data=st.fixed_dictionaries(ANY_DATA))
def test_values_and_gradients_agree_with_the_dense_oracle_for_many_more_options(shape, implementation, data):
    agrees(shape, implementation, **data)


slide = jax.jit(sliding_window_attention, static_argnames=("window", "block", "dropout_rate", "implementation"))
find = jax.jit(find_global_tokens, static_argnames="cap")


def draws(shape, count):
    return list(np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32))


def test_a_gradient_reaches_only_the_window_and_the_global_keys():
    q, k, v = draws((1, 40, 2, 4), 3)

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def row_twelve(k, v, q):
        tokens = find_global_tokens(jnp.arange(40)[None] == 33, 2)
        return sliding_window_attention(q, k, v, window=3, tokens=tokens, block=8)[0, 12].sum()

    seen = [*range(9, 16), 33]
    for grad in row_twelve(k, v, q):
        assert np.flatnonzero(np.abs(grad).sum((0, 2, 3))).tolist() == seen


def test_padding_on_the_right_changes_nothing():
    short = draws((2, 21, 2, 4), 3)
    long = [np.pad(x, ((0, 0), (0, 12), (0, 0), (0, 0)), constant_values=50.0) for x in short]
    groups = np.broadcast_to(np.arange(33) < 21, (2, 33)).astype(np.int32)
    want = slide(*short, window=4, block=8)
    got = np.asarray(slide(*long, window=4, block=8, groups=groups))
    error = np.abs(got[:, :21] - want).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7
    assert not got[:, 21:].any()


def test_permuting_the_batch_permutes_the_result():
    qkv = draws((3, 20, 2, 4), 3)
    is_global = np.random.default_rng(1).random((3, 20)) < 0.2
    order = [2, 0, 1]
    want = np.asarray(slide(*qkv, window=3, block=8, tokens=find(is_global, cap=6)))[order]
    got = slide(*(x[order] for x in qkv), window=3, block=8, tokens=find(is_global[order], cap=6))
    error = np.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 0


def test_unused_slots_change_nothing():
    qkv = draws((3, 20, 2, 4), 3)
    want = slide(*qkv, window=3, block=8)
    got = slide(*qkv, window=3, block=8, tokens=find(np.zeros((3, 20), bool), cap=6))
    error = np.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7


def test_the_block_size_changes_nothing_not_even_the_dropout_mask():
    qkv = draws((2, 45, 2, 4), 3)
    how = {"window": 4, "dropout_rate": 0.3, "dropout_key": jax.random.key(2)}
    error = np.abs(slide(*qkv, block=7, **how) - slide(*qkv, block=64, **how)).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7


def test_a_row_with_nothing_to_see_gives_zeros_and_finite_gradients():
    qkv = draws((2, 20, 2, 4), 3)
    groups = np.ones((2, 20), np.int32)
    groups[0] = groups[1, 5:] = 0

    def total(*qkv):
        out = sliding_window_attention(*qkv, window=3, block=8, groups=jnp.asarray(groups))
        return (out**2).sum(), out

    grads, out = jax.tree.map(np.asarray, jax.jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))(*qkv))
    assert not out[0].any()
    assert not out[1, 5:].any()
    assert out[1, :5].all()
    for grad in grads:
        assert np.isfinite(grad).all()
        assert not grad[0].any()
        assert grad[1, :5].all()


@partial(jax.jit, static_argnames="dtype")
def values_and_gradients(q, k, v, up, dtype):
    """Of a sliding window with a global first token."""

    def road(*qkv):
        tokens = find_global_tokens(jnp.arange(q.shape[1])[None] + jnp.zeros((q.shape[0], 1), jnp.int32) == 0, 1)
        return sliding_window_attention(*qkv, window=4, tokens=tokens, block=8)

    out, pull = jax.vjp(road, *(x.astype(dtype) for x in (q, k, v)))
    return out, *pull(up.astype(dtype))


def test_scores_a_thousand_apart_stay_finite():
    q, k, v, up = draws((2, 32, 2, 8), 4)
    assert all(np.isfinite(x).all() for x in values_and_gradients(q * 1e3, k, v, up, "float32"))


def test_bfloat16_keeps_its_type_and_is_near_float32():
    arrays = draws((2, 32, 2, 8), 4)
    want, got = (values_and_gradients(*arrays, dtype) for dtype in ("float32", "bfloat16"))
    assert {x.dtype for x in got} == {jnp.dtype(jnp.bfloat16)}
    errors = [np.abs(np.asarray(a, np.float32) - b).max() for a, b in zip(got, want, strict=True)]
    print("errors", errors, "of values about", [float(np.abs(x).max()) for x in want])
    assert max(errors) < 0.15  # measured 0.05


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_no_intermediate_of_forward_or_backward_grows_with_the_square_of_the_length(rate):
    def widest(length):
        x = jax.ShapeDtypeStruct((1, length, 2, 4), jnp.float32)
        mark = jax.ShapeDtypeStruct((1, length), bool)

        def loss(q, k, v, is_global, key):
            tokens = find_global_tokens(is_global, 2)
            wide = take_rows(q, tokens), k, v
            how = {"groups": token_groups((1, length), real=~is_global), "dropout_rate": rate, "dropout_key": key}
            return longformer_attention((q, k, v), wide, tokens, window=8, block=16, **how).sum()

        key = jax.eval_shape(lambda: jax.random.key(0))
        return max(array_sizes(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1, 2)))(x, x, x, mark, key).jaxpr))

    assert widest(4096) == 4 * widest(1024)
    assert widest(4096) == 4096 * 2 * 4


def test_a_dense_attention_would_fail_the_test_above():
    x = jax.ShapeDtypeStruct((1, 64, 2, 4), jnp.float32)
    jaxpr = jax.make_jaxpr(jax.checkpoint(lambda x: jnp.einsum("bthk,bshk->bhts", x, x).sum()))(x)
    assert max(array_sizes(jaxpr.jaxpr)) == 2 * 64 * 64


@pytest.mark.parametrize("bad", [{"window": 0}, {"window": 3, "block": 0}])
def test_a_window_or_block_below_one_is_refused(bad):
    with pytest.raises(InputError, match="must be at least 1 token, got 0"):
        slide(*draws((1, 8, 1, 4), 3), **bad)


def test_a_program_that_cannot_run_here_is_refused_and_nothing_takes_its_place():
    if jax.default_backend() == "gpu":
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="implementation='triton' needs a GPU, and JAX computes on cpu here"):
        slide(*draws((1, 8, 1, 4), 3), window=2, implementation="triton")
    with pytest.raises(InputError, match="implementation='cudnn' is not one of auto, xla, triton"):
        slide(*draws((1, 8, 1, 4), 3), window=2, implementation="cudnn")


@pytest.mark.parametrize("kernels", RUNNING_HERE[1:])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_interpreted_kernels_agree_with_xla_in_working_precision(dtype, kernels):
    arrays = [jnp.asarray(x, dtype) for x in draws((2, 90, 2, 16), 4)]

    @partial(jax.jit, static_argnames="implementation")
    def road(q, k, v, up, implementation):
        out, pull = jax.vjp(lambda *x: sliding_window_attention(*x, window=20, implementation=implementation), q, k, v)
        return [out, *pull(up)]

    want, got = (road(*arrays, implementation=each) for each in ("xla", kernels))
    errors = [np.abs(a.astype(jnp.float32) - b.astype(jnp.float32)).max() for a, b in zip(want, got, strict=True)]
    print("errors", errors)
    assert max(errors) < {"float32": 3e-6, "bfloat16": 0.02}[dtype]  # measured 6e-7 and 0.004


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_the_triton_kernels_compile_down_to_triton_without_a_gpu(rate, monkeypatch):
    monkeypatch.setattr(backends, "NEEDS", {})
    x = jax.ShapeDtypeStruct((2, 512, 2, 64), jnp.bfloat16)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def loss(q, k, v, is_global, key):
        how = {"tokens": find_global_tokens(is_global, 4), "dropout_rate": rate, "dropout_key": key}
        return sliding_window_attention(q, k, v, window=100, implementation="triton", **how).sum()

    step = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    described = jax.sharding.AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=None, platform="cuda")
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=described)):
        traced = step.trace(x, x, x, jax.ShapeDtypeStruct((2, 512), bool), key)
        program = traced.lower(lowering_platforms=("cuda",)).as_text()
    for kernel in ("attend_kernel", "queries_kernel", "keys_kernel", "slots_kernel"):
        assert kernel in program
