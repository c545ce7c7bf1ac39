"""A run whose layers are scanned is the run whose layers are written out, for every part of the engine."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from errors import InputError
from layer_stacks import arranged
from tests.training.conftest import read_lines
from tests.training.test_optimizer import settings
from training.layers import layer_names, layer_norms
from training.optimizer import make_optimizer
from training.plan import make_plan
from training.sharding import spec_of

P = jax.sharding.PartitionSpec
LAYERS, STEPS = 3, 3
STACKED = {
    "encoder.layers.0-2.mlp.up.kernel": (LAYERS, 160, 130),  # large enough for Adafactor's rows and columns
    "encoder.layers.0-2.mlp.up.bias": (LAYERS, 130),
    "head.kernel": (4, 2),
}
RULES = ((r".*layers\.1\..*bias", {"weight_decay": 0.5}), (r".*layers\.2\..*", {"learning_rate": 3.0}))


def drawn(seed):
    draw = np.random.default_rng(seed)
    return {path: jnp.asarray(draw.normal(size=shape), jnp.float32) for path, shape in STACKED.items()}


def written_out(params):
    return arranged(params, [])


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lion", "muon"])
def test_every_optimizer_takes_the_steps_that_it_takes_with_the_layers_apart(name):
    chosen = settings(name=name, learning_rate=0.1, layer_decay=0.5, rules=RULES, clip_norm=1.0)
    optimizer = make_optimizer(chosen, optax.constant_schedule(0.1))

    @jax.jit
    def step(gradients, params, state):
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    ends = []
    for form in (lambda params: params, written_out):
        params = form(drawn(0))
        state = optimizer.init(params)
        for number in range(STEPS):
            params, state = step(form(drawn(1 + number)), params, state)
        ends.append(written_out(params))
    error = max(float(jnp.abs(ends[0][path] - ends[1][path]).max()) for path in ends[1])
    moved = min(float(jnp.abs(ends[1][path] - value).max()) for path, value in written_out(drawn(0)).items())
    print(f"{name}: {error:.1e} of steps of {moved:.1e} and more")
    assert error < 2e-5 * moved + 1e-6


def test_rates_and_decays_differ_by_layer_within_a_stack():
    plan = make_plan(settings(layer_decay=0.5, rules=RULES), STACKED)
    kernel, bias, head = STACKED
    assert plan.rates == {kernel: (0.125, 0.25, 1.5), bias: (0.125, 0.25, 1.5), head: 1.0}
    assert plan.decays == {kernel: 0.1, bias: (0.0, 0.5, 0.0), head: 0.1}


def test_a_stack_freezes_whole_or_not_at_all():
    frozen = ((r".*layers\..*", {"learning_rate": 0.0}),)
    assert not make_plan(settings(rules=frozen), STACKED).moves("encoder.layers.0-2.mlp.up.bias")
    half = ((r".*layers\.1\..*", {"learning_rate": 0.0}),)
    with pytest.raises(InputError, match=r"freeze some layers of encoder.layers.0-2.mlp.up.kernel .* model.scan=False"):
        make_plan(settings(rules=half), STACKED)


def test_norms_are_told_by_layer():
    names = layer_names(STACKED)
    assert names == ["encoder.layers.0", "encoder.layers.1", "encoder.layers.2", "head"]
    together, apart = layer_norms(drawn(0), names), layer_norms(written_out(drawn(0)), names)
    np.testing.assert_allclose(together, apart, rtol=1e-6)


def test_a_stack_is_cut_within_its_layers_and_never_between_them():
    mesh = jax.sharding.AbstractMesh((3, 2), ("fsdp", "tensor"))
    assert spec_of("encoder.layers.0-2.mlp.up.kernel", (3, 6, 8), mesh) == P(None, "fsdp", "tensor")
    assert spec_of("encoder.layers.0-2.mlp.up.bias", (3, 8), mesh) == P(None, "tensor")
    assert spec_of("encoder.layers.0-2.mlp_norm.scale", (3, 6), mesh) == P(None)


DEEP = ("model.depth=3", "optimizer.layer_decay=0.8", "log.norms=True")


@pytest.fixture(scope="module")
def scanned(tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("scanned") / "run"
    run(workdir, *DEEP, "model.scan=True", "model.remat=full")
    return workdir


@pytest.mark.slow
def test_a_run_has_the_same_lines_scanned_or_not(scanned, tmp_path, run):
    run(tmp_path / "plain", *DEEP)
    one, other = (read_lines(workdir / "metrics.jsonl") for workdir in (scanned, tmp_path / "plain"))
    errors = [
        abs(a[name] - b[name]) / max(1, abs(b[name]))
        for a, b in zip(one, other, strict=True)
        for name in a
        if name != "split"
    ]
    assert [line.keys() for line in one] == [line.keys() for line in other]
    print(f"largest difference {max(errors):.1e}")
    assert max(errors) < 2e-5  # seen 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("scan", [False, True])
def test_scanned_weights_start_a_run_of_either_form(scan, scanned, tmp_path, run, capfd):
    run(
        tmp_path / "next",
        *DEEP,
        f"model.scan={scan}",
        f"init_from={scanned}",
        "train.steps=1",
        "optimizer.warmup_steps=0",
    )
    assert "fresh here" not in capfd.readouterr().out
    first = read_lines(tmp_path / "next" / "metrics.jsonl")[0]["loss"]
    assert first < read_lines(scanned / "metrics.jsonl")[0]["loss"] - 0.1


@pytest.mark.slow
def test_a_fault_in_a_scanned_layer_is_told_by_its_number(tmp_path, run):
    hot = ("optimizer.learning_rate=1e38", "optimizer.clip_norm=0.0", "train.max_skipped=3", "train.steps=30")
    with pytest.raises(FloatingPointError, match=r"in the output of encoder.layers.0.attention\."):
        run(tmp_path / "run", "model.depth=3", "model.scan=True", *hot)


@pytest.mark.slow
def test_the_commands_told_at_the_end_keep_the_sizes_of_the_model(tmp_path, run, capfd):
    run(tmp_path / "run", "model.depth=2", "train.steps=1", "optimizer.warmup_steps=0")
    told = capfd.readouterr().out
    assert (
        "--config.model.depth=2 --config.train.steps=1 --config.optimizer.warmup_steps=0 --config.mode=evaluate" in told
    )
