import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ops.attention import attention_by_heads, dot_product_attention

attend = jax.jit(dot_product_attention, static_argnames="dropout_rate")


def draws(shape, count):
    return list(np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32))


def test_attention_is_the_textbook_formula():
    q, k, v = (np.asarray(x, np.float64) for x in draws((2, 5, 3, 4), 3))
    want = np.empty_like(q)
    for b in range(2):
        for h in range(3):
            scores = q[b, :, h] @ k[b, :, h].T / 2.0  # sqrt(4)
            weights = np.exp(scores)
            want[b, :, h] = weights / weights.sum(1, keepdims=True) @ v[b, :, h]
    with jax.enable_x64(True):
        got = np.asarray(attend(*map(jnp.asarray, (q, k, v))))
    error = np.abs(got - want).max()
    print("error", error)
    assert error < 1e-14  # measured 4e-16


def test_a_hidden_key_does_not_matter():
    q, k, v = draws((1, 4, 2, 8), 3)
    want = attend(q, k[:, :3], v[:, :3])
    k[:, 3] = v[:, 3] = 100.0
    got = attend(q, k, v, mask=np.array([[[True, True, True, False]]]))
    error = np.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7


def test_a_query_with_nothing_to_see_gives_zeros_and_finite_gradients():
    q, k, v = draws((2, 4, 2, 8), 3)
    mask = np.ones((2, 4, 4), bool)
    mask[0, 1] = mask[1] = False

    def total(*qkv):
        out = dot_product_attention(*qkv, mask=jnp.asarray(mask))
        return (out**2).sum(), out

    grads, out = jax.tree.map(np.asarray, jax.jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))(q, k, v))
    assert not out[0, 1].any()
    assert not out[1].any()
    assert out[0, 0].all()
    assert all(np.isfinite(g).all() for g in grads)
    assert not grads[0][1].any()
    assert not grads[2][1].any()


@pytest.mark.parametrize("queries", [1, 3])
def test_keys_that_lie_head_by_head_are_seen_alike(queries):
    (q,), (k, v) = draws((2, queries, 3, 4), 1), draws((2, 6, 3, 4), 2)
    mask = np.random.default_rng(1).random((2, queries, 6)) < 0.6
    mask[1, 0] = False
    bias = draws((1, 3, queries, 6), 1)[0]
    heads = [x.swapaxes(1, 2).reshape(6, 6, 4) for x in (k, v)]
    for how in ({}, {"mask": mask}, {"mask": mask, "bias": bias, "scale": 1.0}):
        with jax.enable_x64(True):
            given = {name: jnp.asarray(x, None if x is mask else float) for name, x in how.items() if name != "scale"}
            given |= {"scale": how["scale"]} if "scale" in how else {}
            want = dot_product_attention(*(jnp.asarray(x, float) for x in (q, k, v)), **given)
            got = attention_by_heads(*(jnp.asarray(x, float) for x in (q, *heads)), **given)
        error = np.abs(got - want).max()
        print(f"{sorted(how)}: error {error:.1e}")
        assert error < 1e-14  # measured 2e-16
        assert ("mask" in how) == (not np.asarray(got)[1, 0].any())


def test_gradients_agree_with_the_plain_softmax():
    rng = np.random.default_rng(1)
    mask = rng.random((2, 6, 6)) < 0.7
    mask |= np.eye(6, dtype=bool)

    def plain(q, k, v):
        scores = jnp.einsum("bthk,bshk->bhts", q, k) / 2.0
        return jnp.einsum("bhts,bshk->bthk", jax.nn.softmax(scores, where=mask[:, None]), v)

    def ours(q, k, v):
        return dot_product_attention(q, k, v, mask=jnp.asarray(mask))

    @jax.jit
    def both(up, *qkv):
        roads = (jax.vjp(road, *qkv) for road in (plain, ours))
        return [(out, *pull(up)) for out, pull in roads]

    with jax.enable_x64(True):
        want, got = both(*map(jnp.asarray, rng.normal(size=(4, 2, 6, 2, 4))))
        errors = [np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in zip(got, want, strict=True)]
    print("errors", errors)
    assert max(errors) < 1e-13  # measured 9e-16


def test_scores_a_thousand_apart_stay_finite():
    q, k, v = draws((1, 3, 1, 4), 3)
    out = attend(q * 1e3, k * 1e3, v)
    assert np.isfinite(out).all()


def test_bfloat16_keeps_its_type_and_is_near_float32():
    q, k, v = draws((2, 16, 2, 8), 3)
    want = attend(q, k, v)
    got = attend(*(x.astype(jnp.bfloat16) for x in (q, k, v)))
    assert got.dtype == jnp.bfloat16
    error = np.abs(np.asarray(got, np.float32) - want).max()
    print("error", error)
    assert error < 0.04  # measured 0.012


def test_dropped_weights_keep_the_expectation():
    q, k, v = draws((1, 8, 2, 4), 3)
    want = attend(q, k, v)
    keys = jax.random.split(jax.random.key(0), 4000)
    many = jax.vmap(lambda key: attend(q, k, v, dropout_rate=0.25, dropout_key=key))(keys)
    many = np.asarray(many)
    error = np.abs(many.mean(0) - want).max() / many.std(0).max()
    print("error in standard deviations of one draw", error)
    assert error < 0.08  # 5 / sqrt(4000); measured 0.04
    assert np.abs(many[0] - want).max() > 0.1


@pytest.mark.parametrize("mask_shape", [(2, 1, 5), (2, 5, 5), (1, 5, 5)])
def test_one_mask_row_serves_all_queries_or_examples(mask_shape):
    q, k, v = draws((2, 5, 2, 4), 3)
    mask = np.random.default_rng(5).random(mask_shape) < 0.6
    whole = np.broadcast_to(mask, (2, 5, 5))
    np.testing.assert_array_equal(attend(q, k, v, mask=mask), attend(q, k, v, mask=whole))
