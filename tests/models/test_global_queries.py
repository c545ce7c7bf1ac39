"""Two roads to what the global tokens see: keys and values of all tokens, or none of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from nets import jitted, marked, small, token_ids

from models.global_queries import global_queries
from ops.global_tokens import find_global_tokens, global_attention

B, S, G, H, K = 3, 17, 2, 3, 4


def arrays():
    draw = np.random.default_rng(0)
    shapes = {"q": (B, G, H, K), "x": (B, S, H * K), "to_key": (H * K, H, K), "to_value": (H * K, H, K)}
    return {name: jnp.asarray(draw.standard_normal(shape), jnp.float32) for name, shape in shapes.items()}


def structure():
    """Groups of documents and padding; a global token in one, in two and in padding alone."""
    groups = jnp.array([[1] * 17, [1] * 6 + [2] * 8 + [0] * 3, [1] * 10 + [0] * 7])
    is_global = marked(B, S, 0, 8).at[2].set(0).at[2, 15].set(1) != 0
    return find_global_tokens(is_global, G), groups


def test_values_and_gradients_are_those_of_global_attention():
    tokens, groups = structure()
    used = tokens.used[:, :, None, None]
    weights = jnp.asarray(np.random.default_rng(1).standard_normal((B, G, H, K)), jnp.float32)

    def direct(q, x, to_key, to_value):
        k, v = (jnp.einsum("bsd,dhk->bshk", x, each) for each in (to_key, to_value))
        return jnp.where(used, global_attention(q, k, v, tokens, groups), 0.0)

    def without_keys(q, x, to_key, to_value):
        found, _ = global_queries(q, x, to_key, to_value, tokens, groups)
        return jnp.where(used, found, 0.0)

    @jax.jit
    def both(given):
        return [jax.value_and_grad(lambda a, f=f: (f(**a) * weights).sum())(given) for f in (direct, without_keys)]

    (value, grads), (expected, expected_grads) = both(arrays())
    error = max(np.abs(grads[n] - expected_grads[n]).max() / np.abs(expected_grads[n]).max() for n in grads)
    print(f"global queries: value {abs(value - expected) / abs(expected):.1e}, gradients {error:.1e}")
    assert abs(value - expected) < 1e-5 * abs(expected)
    assert error < 1e-5  # seen 3e-7


def test_dropout_keeps_the_mean_and_differs_by_head_and_query():
    tokens, groups = find_global_tokens(marked(B, S, 0, 8) != 0, G), jnp.ones((B, S), jnp.int32)
    given = arrays() | {"to_key": jnp.zeros((H * K, H, K))}  # all weights 1 / S, so a query's sum tells its mask

    def total(key):
        return global_queries(**given, tokens=tokens, groups=groups, dropout_rate=0.5, dropout_key=key)[1]

    sums = jax.jit(jax.vmap(total))(jax.random.split(jax.random.key(0), 400))
    assert abs(sums.mean() - 1) < 0.02  # 7,200 sums of deviation 0.24: seen 0.002
    assert len(np.unique(np.asarray(sums[:50].reshape(50, -1)), axis=1).T) == B * G * H


def test_an_adapted_projection_is_called_and_not_read():
    class Doubled(nnx.Linear):
        def __call__(self, x):
            return 2 * super().__call__(x)

    plain, adapted = small("longformer"), small("longformer")
    attention = adapted.layers[0].attention
    for name in ("key_global", "value_global"):
        old = getattr(attention, name)
        new = Doubled(32, 32, rngs=nnx.Rngs(0))
        new.kernel[...], new.bias[...] = old.kernel[...] / 2, old.bias[...] / 2
        setattr(attention, name, new)
    ids, inputs = token_ids(2, 12), {"global_attention_mask": marked(2, 12, 0)}
    read, called = (jitted(m, lambda m: m(ids, **inputs).last_hidden_state) for m in (plain, adapted))
    assert jnp.abs(read - called).max() < 1e-5
