"""Scores that are not divided by sqrt(K) are those of queries sqrt(K) times as large, by whichever road they come."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, marked, small, token_ids

KEY_WIDTH = 16  # sqrt(K) = 4 is exact
FACTOR = 4.0


def pair(name, **changes):
    """A net without division, and one with it whose maps to queries are as much larger."""
    plain = small(name, scaled_scores=False, key_width=KEY_WIDTH, **changes)
    divided = small(name, key_width=KEY_WIDTH, **changes)
    params = nnx.to_flat_state(nnx.state(plain))
    larger = [(path, leaf.replace(leaf[...] * FACTOR) if of_query(path) else leaf) for path, leaf in params]
    nnx.update(divided, nnx.from_flat_state(larger))
    return plain, divided


def of_query(path):
    return any(str(part).startswith("query") for part in path)


@pytest.mark.parametrize(
    ("name", "changes", "places"),
    [
        ("transformer", {}, ()),
        pytest.param("transformer", {"causal": True}, (), marks=pytest.mark.slow),
        pytest.param("longformer", {}, (), marks=pytest.mark.slow),
        ("longformer", {}, (0, 7)),
        ("longformer", {"positions": "rotary"}, (0, 7)),
        ("alternating", {"depth": 2, "positions": "rotary"}, ()),
    ],
)
def test_in_values_gradients_and_maps(name, changes, places, monkeypatch):
    monkeypatch.setattr("models.transformer.LONGEST_MASKED_ROW", 29)  # so that rows of 30 are attended in blocks
    plain, divided = pair(name, **changes)
    ids, inputs = token_ids(2, 30), {"attention_mask": marked(2, 30, *range(25))}
    inputs |= {"global_attention_mask": marked(2, 30, *places)} if places else {}

    def read(model):
        return model(ids, output_attentions=True, **inputs)

    def loss(model):
        return jnp.square(model(ids, **inputs).last_hidden_state[:, :25, :5]).sum()

    got, want = (jitted(model, read) for model in (plain, divided))
    error = max(np.abs(a - b).max() for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True))
    grads, expected = gradients(plain, loss), gradients(divided, loss)
    expected = {path: grad * FACTOR if of_query(path.split(".")) else grad for path, grad in expected.items()}
    paths = [path for path in grads if grads[path].any() and not path.endswith(("key.bias", "key_global.bias"))]
    away = max(np.abs(grads[path] - expected[path]).max() / np.abs(grads[path]).max() for path in paths)
    print(f"{name}: values differ by {error:.1e}, gradients by {away:.1e}")
    assert error < 2e-5
    assert away < 1e-4


@pytest.mark.parametrize("name", ["transformer", "longformer"])
def test_token_after_token(name):
    nets, ids = pair(name, causal=True), token_ids(2, 12)

    def written(model):
        cache = model.empty_cache(2, 12)
        _, cache = model.step(ids[:, :8], cache)
        return model.step(ids[:, 8:9], cache)[0]

    got, want = (jitted(model, written) for model in nets)
    assert np.abs(got - want).max() < 2e-5
