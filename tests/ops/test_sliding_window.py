"""The sliding window against the dense oracle, and the laws that hold for any length, window and set of global tokens."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from ops.attention import longformer_attention_dense
from ops.global_tokens import find_global_tokens, take_rows
from ops.masks import token_groups
from ops.sliding_window import longformer_attention, sliding_window_attention


@dataclass(frozen=True)
class Case:
    length: int
    window: int
    block: int
    share_global: float = 0.1
    share_real: float = 0.9
    segments: int = 1
    dropout: float = 0.0
    seed: int = 0


CASES = [
    Case(length=32, window=4, block=8, share_global=0.0, share_real=1.0),
    Case(length=32, window=4, block=8),
    Case(length=37, window=5, block=8, segments=3),
    Case(length=19, window=1, block=4, share_global=0.4),
    Case(length=7, window=9, block=16),
    Case(length=24, window=30, block=8, dropout=0.3),
    Case(length=33, window=3, block=5, share_global=1.0),
    Case(length=1, window=1, block=1, share_real=1.0),
    Case(length=41, window=6, block=16, share_global=0.2, segments=2, dropout=0.4),
    Case(length=16, window=2, block=4, share_real=0.0),
]


def both_roads(case: Case, *, H=2, K=4, B=2):
    """(out, gradients) of the oracle and of the sliding window, in float64."""
    rng = np.random.default_rng(case.seed)
    shape = (B, case.length, H, K)
    arrays = [jnp.asarray(rng.normal(size=shape)) for _ in range(6)]
    up = jnp.asarray(rng.normal(size=shape))
    is_global = jnp.asarray(rng.random(shape[:2]) < case.share_global)
    real = jnp.asarray(rng.random(shape[:2]) < case.share_real)
    segment_ids = jnp.asarray(np.sort(rng.integers(0 if case.segments > 1 else 1, case.segments + 1, shape[:2])))
    drops = {"dropout_rate": case.dropout, "dropout_key": jax.random.key(7) if case.dropout else None}

    def dense(*x):
        how = {"is_global": is_global, "real": real, "segment_ids": segment_ids}
        return longformer_attention_dense(x[:3], x[3:], window=case.window, **how, **drops)

    def fast(q, k, v, q_global, k_global, v_global):
        tokens = find_global_tokens(is_global, case.length)
        wide = take_rows(q_global, tokens), k_global, v_global
        how = {"groups": token_groups(shape[:2], real=real, segment_ids=segment_ids), "block": case.block}
        return longformer_attention((q, k, v), wide, tokens, window=case.window, **how, **drops)

    def run(road):
        out, pull = jax.vjp(road, *arrays)
        return [np.asarray(x) for x in (out, *pull(up))]

    return run(dense), run(fast)


def largest_errors(case: Case) -> tuple[float, float]:
    with jax.enable_x64(True):
        want, got = both_roads(case)
    errors = [np.abs(a - b).max() for a, b in zip(want, got, strict=True)]
    return errors[0], max(errors[1:])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_agree_with_the_dense_oracle(case):
    errors = largest_errors(case)
    print("errors of values and gradients", errors)
    assert max(errors) < 1e-13  # measured 2e-15


@settings(max_examples=6, deadline=None, database=None, derandomize=True)
@given(
    st.builds(
        Case,
        length=st.integers(1, 40),
        window=st.integers(1, 12),
        block=st.integers(1, 16),
        share_global=st.sampled_from([0.0, 0.05, 0.3]),
        share_real=st.sampled_from([0.5, 1.0]),
        segments=st.integers(1, 3),
        dropout=st.sampled_from([0.0, 0.5]),
        seed=st.integers(0, 9),
    )
)
def test_values_and_gradients_agree_with_the_dense_oracle_wherever_one_looks(case):
    assert max(largest_errors(case)) < 1e-13


def draws(shape, count, dtype=jnp.float32):
    return [jax.random.normal(key, shape, dtype) for key in jax.random.split(jax.random.key(0), count)]


def test_a_gradient_reaches_only_the_window_and_the_global_keys():
    q, k, v = draws((1, 40, 2, 4), 3)
    tokens = find_global_tokens(jnp.zeros((1, 40), bool).at[0, 33].set(True), 2)

    def row_twelve(k, v):
        return sliding_window_attention(q, k, v, window=3, tokens=tokens, block=8)[0, 12].sum()

    seen = [*range(9, 16), 33]
    for grad in jax.grad(row_twelve, argnums=(0, 1))(k, v):
        assert np.flatnonzero(np.abs(grad).sum((0, 2, 3))).tolist() == seen


def test_padding_on_the_right_changes_nothing():
    short = draws((2, 21, 2, 4), 3)
    long = [jnp.pad(x, ((0, 0), (0, 12), (0, 0), (0, 0)), constant_values=50.0) for x in short]
    real = jnp.broadcast_to(jnp.arange(33) < 21, (2, 33))
    want = sliding_window_attention(*short, window=4, block=8)
    got = sliding_window_attention(*long, window=4, block=8, groups=token_groups((2, 33), real=real))
    error = jnp.abs(got[:, :21] - want).max()
    print("error", error)
    assert error < 1e-6  # measured 1e-7
    assert not got[:, 21:].any()


def test_permuting_the_batch_permutes_the_result():
    qkv = draws((3, 20, 2, 4), 3)
    tokens = find_global_tokens(jax.random.bernoulli(jax.random.key(1), 0.2, (3, 20)), 6)
    order = jnp.array([2, 0, 1])
    want = sliding_window_attention(*qkv, window=3, tokens=tokens, block=8)[order]
    moved = jax.tree.map(lambda x: x[order], (qkv, tokens))
    got = sliding_window_attention(*moved[0], window=3, tokens=moved[1], block=8)
    error = jnp.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 0


def test_unused_slots_change_nothing():
    qkv = draws((2, 20, 2, 4), 3)
    none = find_global_tokens(jnp.zeros((2, 20), bool), 4)
    want = sliding_window_attention(*qkv, window=3, block=8)
    got = sliding_window_attention(*qkv, window=3, block=8, tokens=none)
    error = jnp.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 1e-7


def test_the_block_size_changes_nothing_not_even_the_dropout_mask():
    qkv = draws((2, 45, 2, 4), 3)

    def out(block):
        how = {"dropout_rate": 0.3, "dropout_key": jax.random.key(2)}
        return sliding_window_attention(*qkv, window=4, block=block, **how)

    error = jnp.abs(out(7) - out(64)).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7


def test_a_row_with_nothing_to_see_gives_zeros_and_finite_gradients():
    qkv = draws((2, 20, 2, 4), 3)
    groups = jnp.ones((2, 20), jnp.int32).at[0].set(0).at[1, 5:].set(0)

    def total(*qkv):
        out = sliding_window_attention(*qkv, window=3, block=8, groups=groups)
        return (out**2).sum(), out

    grads, out = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(*qkv)
    assert not out[0].any()
    assert not out[1, 5:].any()
    assert out[1, :5].all()
    for grad in grads:
        assert bool(jnp.isfinite(grad).all())
        assert not grad[0].any()
        assert grad[1, :5].all()


def test_scores_a_thousand_apart_stay_finite():
    q, k, v = draws((1, 20, 2, 4), 3)
    grads = jax.grad(lambda *x: sliding_window_attention(*x, window=3, block=8).sum(), argnums=(0, 1, 2))(q * 1e3, k, v)
    assert all(bool(jnp.isfinite(g).all()) for g in grads)


def test_bfloat16_keeps_its_type_and_is_near_float32():
    q, k, v, up = draws((2, 32, 2, 8), 4)
    tokens = find_global_tokens(jnp.zeros((2, 32), bool).at[:, 0].set(True), 1)

    def run(*x):
        out, pull = jax.vjp(lambda *qkv: sliding_window_attention(*qkv, window=4, tokens=tokens, block=8), *x)
        return out, *pull(up.astype(out.dtype))

    want = run(q, k, v)
    got = run(*(x.astype(jnp.bfloat16) for x in (q, k, v)))
    assert {x.dtype for x in got} == {jnp.dtype(jnp.bfloat16)}
    errors = [float(jnp.abs(a.astype(jnp.float32) - b).max()) for a, b in zip(got, want, strict=True)]
    print("errors", errors)
    assert max(errors) < 0.1  # measured 0.03


def widest_arrays(jaxpr):
    """Sizes of all intermediate arrays of a jaxpr, those of its inner jaxprs included."""
    for equation in jaxpr.eqns:
        yield from (int(np.prod(var.aval.shape)) for var in equation.outvars)
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                yield from widest_arrays(getattr(inner, "jaxpr", inner))


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
        return max(widest_arrays(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1, 2)))(x, x, x, mark, key).jaxpr))

    assert widest(4096) == 4 * widest(1024)
    assert widest(4096) == 4096 * 2 * 4


def test_a_dense_attention_would_fail_the_test_above():
    x = jax.ShapeDtypeStruct((1, 64, 2, 4), jnp.float32)
    jaxpr = jax.make_jaxpr(jax.checkpoint(lambda x: jnp.einsum("bthk,bshk->bhts", x, x).sum()))(x)
    assert max(widest_arrays(jaxpr.jaxpr)) == 2 * 64 * 64


@pytest.mark.parametrize("bad", [{"window": 0}, {"window": 3, "block": 0}])
def test_a_window_or_block_below_one_is_refused(bad):
    with pytest.raises(InputError, match="must be at least 1 token, got 0"):
        sliding_window_attention(*draws((1, 8, 1, 4), 3), **bad)
