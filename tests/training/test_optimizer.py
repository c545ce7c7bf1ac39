from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from errors import InputError
from training.optimizer import decayed, make_optimizer, make_schedule


def settings(**changes):
    values = {"learning_rate": 1.0, "schedule": "linear", "warmup_steps": 4, "weight_decay": 0.1, "clip_norm": 0.0}
    return SimpleNamespace(**values | {"beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6} | changes)


def test_the_linear_schedule_rises_to_its_peak_and_falls_to_zero():
    schedule = make_schedule(settings(), steps=8)
    np.testing.assert_allclose([schedule(s) for s in range(9)], [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["linear", "cosine", "constant", "rsqrt"])
def test_every_schedule_is_continuous_at_the_end_of_the_warm_up(name):
    schedule = make_schedule(settings(schedule=name), steps=1000)
    assert float(schedule(3)) == pytest.approx(1.0)
    assert float(schedule(4)) == pytest.approx(1.0, rel=0.02)
    assert float(schedule(999)) <= 1.0


def test_without_a_warm_up_the_first_step_has_the_full_rate():
    assert float(make_schedule(settings(warmup_steps=0), steps=8)(0)) == 1.0


def test_a_warm_up_as_long_as_the_run_is_refused():
    with pytest.raises(InputError, match="warmup_steps=8"):
        make_schedule(settings(warmup_steps=8), steps=8)


def test_only_weights_decay_never_biases_and_norms():
    params = {
        "encoder.layers.0.mlp.up.kernel": jnp.ones(2),
        "head.bias": jnp.ones(2),
        "encoder.layers.0.norm.scale": jnp.ones(2),
    }
    assert list(decayed(params).values()) == [True, False, False]
    optimizer = make_optimizer(settings(), optax.constant_schedule(1.0))
    no_gradient = {name: jnp.zeros(2) for name in params}
    updates, _ = optimizer.update(no_gradient, optimizer.init(params), params)
    np.testing.assert_allclose([u[0] for u in updates.values()], [-0.1, 0, 0], atol=1e-7)


def test_adam_is_the_textbook_one():
    optimizer = make_optimizer(settings(weight_decay=0.0), optax.constant_schedule(0.5))
    params, state, m, v = {"w.kernel": jnp.array([1.0])}, None, 0.0, 0.0
    state, expected = optimizer.init(params), 1.0
    for t, g in enumerate((0.3, -0.2, 0.5), start=1):
        updates, state = optimizer.update({"w.kernel": jnp.array([g])}, state, params)
        params = optax.apply_updates(params, updates)
        m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g * g
        expected -= 0.5 * (m / (1 - 0.9**t)) / ((v / (1 - 0.98**t)) ** 0.5 + 1e-6)
    assert float(params["w.kernel"][0]) == pytest.approx(expected, rel=1e-5)


def test_clipping_bounds_the_global_norm():
    clip = make_optimizer(settings(clip_norm=1.0, weight_decay=0.0), optax.constant_schedule(1.0))
    params = {"a.kernel": jnp.zeros(2), "b.kernel": jnp.zeros(2)}
    _, state = clip.update({name: jnp.full(2, 100.0) for name in params}, clip.init(params), params)
    first_moment = optax.tree.get(state, "mu")
    assert float(optax.tree.norm(first_moment)) == pytest.approx(0.1, rel=1e-5)
