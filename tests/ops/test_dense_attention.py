import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ops.attention import dot_product_attention


def draws(shape, count, seed=0):
    return [jax.random.normal(key, shape, jnp.float32) for key in jax.random.split(jax.random.key(seed), count)]


def test_attention_is_the_textbook_formula():
    q, k, v = (np.asarray(x, np.float64) for x in draws((2, 5, 3, 4), 3))
    want = np.empty_like(q)
    for b in range(2):
        for h in range(3):
            scores = q[b, :, h] @ k[b, :, h].T / 2.0  # sqrt(4)
            weights = np.exp(scores)
            want[b, :, h] = weights / weights.sum(1, keepdims=True) @ v[b, :, h]
    with jax.enable_x64(True):
        got = np.asarray(dot_product_attention(jnp.asarray(q), jnp.asarray(k), jnp.asarray(v)))
    error = np.abs(got - want).max()
    print("error", error)
    assert error < 1e-14  # measured 4e-16


def test_a_hidden_key_does_not_matter():
    q, k, v = draws((1, 4, 2, 8), 3)
    mask = jnp.array([[[True, True, True, False]]])
    got = dot_product_attention(q, k.at[:, 3].set(100.0), v.at[:, 3].set(100.0), mask=mask)
    want = dot_product_attention(q, k[:, :3], v[:, :3])
    error = jnp.abs(got - want).max()
    print("error", error)
    assert error < 1e-6  # measured 2e-7


def test_a_query_with_nothing_to_see_gives_zeros_and_finite_gradients():
    q, k, v = draws((2, 4, 2, 8), 3)
    mask = jnp.ones((2, 4, 4), bool).at[0, 1].set(False).at[1].set(False)

    def total(*qkv):
        out = dot_product_attention(*qkv, mask=mask)
        return (out**2).sum(), out

    grads, out = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(q, k, v)
    assert not out[0, 1].any()
    assert not out[1].any()
    assert out[0, 0].all()
    assert all(bool(jnp.isfinite(g).all()) for g in grads)
    assert not grads[0][1].any()
    assert not grads[2][1].any()


def test_gradients_agree_with_the_plain_softmax():
    with jax.enable_x64(True):
        q, k, v, weight = (x.astype(jnp.float64) for x in draws((2, 6, 2, 4), 4))
        mask = jax.random.bernoulli(jax.random.key(1), 0.7, (2, 6, 6)) | jnp.eye(6, dtype=bool)[None]

        def plain(q, k, v):
            scores = jnp.einsum("bthk,bshk->bhts", q, k) / 2.0
            return jnp.einsum("bhts,bshk->bthk", jax.nn.softmax(scores, where=mask[:, None]), v)

        def ours(q, k, v):
            return dot_product_attention(q, k, v, mask=mask)

        want, pull_want = jax.vjp(plain, q, k, v)
        got, pull_got = jax.vjp(ours, q, k, v)
        errors = [float(jnp.abs(a - b).max()) for a, b in zip(pull_got(weight), pull_want(weight), strict=True)]
        errors.append(float(jnp.abs(got - want).max()))
    print("errors", errors)
    assert max(errors) < 1e-13  # measured 9e-16


def test_scores_a_thousand_apart_stay_finite():
    q, k, v = draws((1, 3, 1, 4), 3)
    out = dot_product_attention(q * 1e3, k * 1e3, v)
    assert bool(jnp.isfinite(out).all())


def test_bfloat16_keeps_its_type_and_is_near_float32():
    q, k, v = draws((2, 16, 2, 8), 3)
    want = dot_product_attention(q, k, v)
    got = dot_product_attention(*(x.astype(jnp.bfloat16) for x in (q, k, v)))
    assert got.dtype == jnp.bfloat16
    error = jnp.abs(got.astype(jnp.float32) - want).max()
    print("error", error)
    assert error < 0.04  # measured 0.012


def test_dropped_weights_keep_the_expectation():
    q, k, v = draws((1, 8, 2, 4), 3)
    want = dot_product_attention(q, k, v)
    keys = jax.random.split(jax.random.key(0), 4000)
    many = jax.vmap(lambda key: dot_product_attention(q, k, v, dropout_rate=0.25, dropout_key=key))(keys)
    error = jnp.abs(many.mean(0) - want).max() / many.std(0).max()
    print("error in standard deviations of one draw", error)
    assert error < 0.08  # 5 / sqrt(4000); measured 0.04
    assert jnp.abs(many[0] - want).max() > 0.1


@pytest.mark.parametrize("mask_shape", [(2, 1, 5), (2, 5, 5), (1, 5, 5)])
def test_one_mask_row_serves_all_queries_or_examples(mask_shape):
    q, k, v = draws((2, 5, 2, 4), 3)
    mask = jax.random.bernoulli(jax.random.key(5), 0.6, mask_shape)
    whole = jnp.broadcast_to(mask, (2, 5, 5))
    np.testing.assert_array_equal(dot_product_attention(q, k, v, mask=mask), dot_product_attention(q, k, v, mask=whole))
