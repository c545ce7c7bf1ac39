from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from errors import InputError
from training.optimizer import ENDLESS, make_optimizer, make_schedule


def settings(**changes):
    values = {"learning_rate": 1.0, "schedule": "linear", "warmup_steps": 4, "weight_decay": 0.1, "clip_norm": 0.0}
    adam = {"name": "adamw", "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6}
    return SimpleNamespace(**values | adam | {"layer_decay": 1.0, "rules": (), "ema": 0.0} | changes)


def test_the_linear_schedule_rises_to_its_peak_and_falls_to_zero():
    schedule = make_schedule(settings(), steps=8)
    np.testing.assert_allclose([schedule(s) for s in range(9)], [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0], atol=1e-6)


def test_the_cubic_schedule_is_the_third_power_of_the_linear_ones_share():
    shares = [1, 1, 0.75, 0.5, 0.25, 0]
    rates = make_schedule(settings(schedule="cubic"), steps=8)
    np.testing.assert_allclose([rates(s) for s in range(3, 9)], [share**3 for share in shares], atol=1e-6)


@pytest.mark.parametrize("name", ["linear", "cubic", "cosine", "constant", "rsqrt"])
def test_every_schedule_is_continuous_at_the_end_of_the_warm_up(name):
    schedule = make_schedule(settings(schedule=name), steps=1000)
    assert float(schedule(3)) == pytest.approx(1.0)
    assert float(schedule(4)) == pytest.approx(1.0, rel=0.02)
    assert float(schedule(999)) <= 1.0


@pytest.mark.parametrize("name", ["linear", "cubic", "cosine", "constant", "rsqrt"])
def test_more_steps_change_no_rate_before_them_of_an_endless_schedule_alone(name):
    shorter, longer = (make_schedule(settings(schedule=name), steps=steps) for steps in (20, 40))
    same = [float(shorter(step)) == float(longer(step)) for step in range(20)]
    assert all(same) == (name in ENDLESS)


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


SHAPES = {"a.kernel": (130, 128), "b.kernel": (6, 4), "b.bias": (4,), "norm.scale": (4,), "word.embedding": (9, 4)}
CHOICE = {"learning_rate": 0.02, "epsilon": 1e-8}


def drawn(seed=0):
    draw = np.random.default_rng(seed)
    return {name: jnp.asarray(draw.normal(size=shape), jnp.float32) for name, shape in SHAPES.items()}


def few_steps(optimizer, params, *, steps=4):
    @jax.jit
    def step(gradients, params, state):
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for number in range(steps):
        params, state = step(drawn(seed=1 + number), params, state)
    return params


def test_adamw_is_optax_adamw_to_the_last_bit():
    schedule = make_schedule(settings(**CHOICE), steps=8)
    mask = {name: name.endswith(("kernel", "embedding")) for name in SHAPES}
    plain = optax.adamw(schedule, b1=0.9, b2=0.98, eps=1e-8, weight_decay=0.1, mask=mask)
    ours = few_steps(make_optimizer(settings(**CHOICE), schedule), drawn())
    theirs = few_steps(plain, drawn())
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in SHAPES)

    ours = few_steps(make_optimizer(settings(**CHOICE, clip_norm=1.0), schedule), drawn())
    clipped = few_steps(optax.chain(optax.clip_by_global_norm(1.0), plain), drawn())
    error = max(jnp.abs(ours[name] - clipped[name]).max() for name in SHAPES)
    print(f"with clipping: {error:.1e}")
    assert error < 1e-6
    assert max(jnp.abs(theirs[name] - clipped[name]).max() for name in SHAPES) > 1e-4


def muon_and_adamw(schedule):
    """Optax's `muon` gives the rest Adam with Nesterov's correction: here it is asked for kernels alone."""
    muon = optax.contrib.muon(schedule, weight_decay=0.1, consistent_rms=0.2)
    adam = optax.adamw(schedule, b1=0.9, b2=0.98, eps=1e-8, weight_decay=0.0)
    labels = {name: "muon" if name.endswith("kernel") else "adam" for name in SHAPES}
    return optax.partition({"muon": muon, "adam": adam}, labels)


@pytest.mark.parametrize(
    ("name", "decay", "theirs"),
    [
        ("lion", 0.1, lambda s: optax.lion(s, 0.9, 0.98, weight_decay=0.1, mask={n: "kernel" in n for n in SHAPES})),
        ("adafactor", 0.0, optax.adafactor),
        ("muon", 0.1, muon_and_adamw),
    ],
)
def test_the_others_are_optax_own_too(name, decay, theirs):
    rules = (("word.*", {"weight_decay": 0.0}),)
    chosen = settings(**CHOICE, name=name, weight_decay=decay, rules=rules)
    schedule, start = make_schedule(chosen, steps=8), drawn()
    ours, expected = few_steps(make_optimizer(chosen, schedule), start), few_steps(theirs(schedule), start)
    moved = {n: float(jnp.abs(expected[n] - start[n]).max()) for n in SHAPES}
    errors = {n: float(jnp.abs(ours[n] - expected[n]).max()) / moved[n] for n in SHAPES}
    print("largest difference over largest movement", errors)  # 3e-6 seen
    assert max(errors.values()) < 1e-4


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lion", "muon"])
def test_every_optimizer_decays_only_weights_and_by_the_learning_rate(name):
    optimizer = make_optimizer(settings(name=name), optax.constant_schedule(0.5))
    params = {"w.kernel": jnp.ones((2, 3)), "w.bias": jnp.ones(3)}
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    np.testing.assert_allclose(updates["w.kernel"], -0.05, rtol=1e-6)
    assert not updates["w.bias"].any()


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lion", "muon"])
def test_a_frozen_parameter_has_no_moments_and_a_slow_one_moves_by_its_factor(name):
    rules = (("word.*", {"learning_rate": 0.0}), (r"b\.kernel", {"learning_rate": 0.25}))
    slow = make_optimizer(settings(name=name, rules=rules), optax.constant_schedule(0.1))
    even = make_optimizer(settings(name=name, rules=rules[:1]), optax.constant_schedule(0.1))
    params, gradients = drawn(), {n: v for n, v in drawn().items() if "word" not in n}
    assert not [leaf for leaf in jax.tree.leaves(slow.init(params)) if leaf.shape == (9, 4) or leaf.shape == (9,)]
    (one, _), (other, _) = (
        slow.update(gradients, slow.init(params), params),
        even.update(gradients, even.init(params), params),
    )
    assert "word.embedding" not in one
    np.testing.assert_allclose(one["b.kernel"], 0.25 * other["b.kernel"], rtol=1e-6)
    assert jnp.array_equal(one["a.kernel"], other["a.kernel"])
