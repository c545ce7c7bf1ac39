"""Laws of one optimizer step, on a net that compiles in a second."""

import jax
import numpy as np
import pytest

from errors import InputError
from tests.training.toy import STEPS, Trainer, batch_of, bits, settings, spoiled, unlabelled
from training.checkpoint import Checkpoints
from training.diagnosis import find_fault, stopping_sentence
from training.guard import Watch, make_watch
from training.layers import layer_names
from training.optimizer import make_schedule
from training.restore import restore_newest
from training.tally import line_values

TWO = Watch(max_skipped=2)


class Frozen(dict):
    """Settings of a rule that can be a key of the cache."""

    __hash__ = object.__hash__


FROZEN = ((r"layers\.0\..*", Frozen(learning_rate=0.0)),)


def learning_parts(trainer):
    return bits((trainer.state.params, trainer.state.opt_state, trainer.state.ema, trainer.state.guard["mean_loss"]))


@pytest.mark.parametrize(
    "name", ["adamw", *(pytest.param(n, marks=pytest.mark.slow) for n in ("adafactor", "lion")), "muon"]
)
def test_a_few_steps_learn(name):
    trainer = Trainer(name=name, ema=0.8)
    steps = [batch_of(n) for n in range(4)]
    losses = [float(trainer.go(*steps).state.guard["mean_loss"]) for _ in range(5)]  # the running mean
    print(losses)
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_batch_with_nan_counts_for_nothing_and_the_next_steps_do_not_know_of_it(name):
    trainer, other = Trainer(name=name, ema=0.8), Trainer(name=name, ema=0.8)
    trainer.go(batch_of(0), spoiled(1), batch_of(2), spoiled(3, value=np.inf), batch_of(4))
    other.go(batch_of(0)).pass_over().go(batch_of(2)).pass_over().go(batch_of(4))
    assert learning_parts(trainer) == learning_parts(other)
    assert int(trainer.state.step) == 5
    told, clean = ({n: float(v) for n, v in t.state.tally.items() if v.ndim == 0} for t in (trainer, other))
    assert told == clean | {"skipped": 2.0}


def test_after_skipped_steps_the_rate_is_that_of_the_step_as_it_is_written():
    falling = {"schedule": "linear", "weight_decay": 0.0}
    trainer, other = Trainer(**falling), Trainer(**falling)
    rates = make_schedule(settings(**falling), steps=STEPS)
    trainer.go(spoiled(0), spoiled(1)).pass_over().go(batch_of(2))
    other.go(batch_of(2))
    for name, start in Trainer(**falling).params.items():
        late, early = trainer.params[name] - start, other.params[name] - start
        np.testing.assert_allclose(late, early * float(rates(3) / rates(0)), rtol=1e-4, atol=1e-7)
        assert np.abs(late - early).max() > 1e-4


def test_after_as_many_skipped_steps_in_a_row_as_allowed_nothing_moves_any_more():
    trainer = Trainer(watch=TWO).go(batch_of(0), spoiled(1), batch_of(2))
    assert int(trainer.state.guard["in_a_row"]) == 0
    before = learning_parts(trainer.go(batch_of(3)))
    assert learning_parts(trainer.go(spoiled(4), spoiled(5), batch_of(6))) == before
    assert int(trainer.state.guard["in_a_row"]) == 3


def test_a_spike_is_skipped_only_where_a_factor_is_given():
    high = {"x": batch_of(9)["x"], "y": batch_of(9)["y"] + 40}
    watched = Trainer(watch=Watch(spike_factor=4.0)).go(batch_of(0), batch_of(1))
    before = learning_parts(watched)
    assert learning_parts(watched.go(high)) == before
    assert learning_parts(watched.go(batch_of(2))) != before
    assert float(Trainer().go(batch_of(0), batch_of(1), high).state.tally["skipped"]) == 0


def test_a_batch_without_a_label_is_no_measure_of_what_a_spike_is():
    watched = Trainer(watch=Watch(spike_factor=4.0)).go(unlabelled(0), batch_of(1))
    assert float(watched.state.tally["skipped"]) == 0
    assert int(watched.state.guard["accepted"]) == 1
    mean = float(watched.state.guard["mean_loss"])
    assert mean > 0
    assert float(watched.go(unlabelled(2)).state.guard["mean_loss"]) == mean


def test_the_average_of_the_weights_is_the_closed_form():
    trainer = Trainer(name="adamw", ema=0.8)
    seen = [trainer.params, *(trainer.go(batch_of(number)).params for number in range(4))]
    average = jax.device_get(trainer.state.ema)
    for name, value in average.items():
        closed = 0.8**4 * seen[0][name] + sum(0.2 * 0.8 ** (4 - t) * seen[t][name] for t in range(1, 5))
        np.testing.assert_allclose(value, closed, rtol=2e-6, atol=1e-7)
        assert np.abs(value - seen[-1][name]).max() > 1e-3
    assert bits(trainer.state.weights) == bits(trainer.state.ema)


def test_the_average_does_not_change_the_training():
    with_average, without = Trainer(name="adamw", ema=0.8), Trainer()
    steps = [batch_of(n) for n in range(3)]
    assert bits(with_average.go(*steps).params) == bits(without.go(*steps).params)
    assert without.state.ema == {}
    assert bits(without.state.weights) == bits(without.state.params)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_frozen_parameter_does_not_move_by_a_bit(name):
    trainer = Trainer(name=name, ema=0.8, rules=FROZEN)
    before = trainer.params
    after = trainer.go(*[batch_of(n) for n in range(3)]).params
    frozen = {path for path in before if bits(before[path]) == bits(after[path])}
    assert frozen == {"layers.0.kernel", "layers.0.bias"}
    assert not frozen & trainer.state.ema.keys()
    assert trainer.state.weights.keys() == before.keys()


def test_norms_by_layer_add_up_to_the_norm_of_all_and_change_nothing():
    trainer, plain = Trainer(watch=Watch(norms=True)), Trainer()
    start = trainer.params
    assert bits(trainer.go(batch_of(0)).params) == bits(plain.go(batch_of(0)).params)
    moved = {name: value - start[name] for name, value in trainer.params.items()}
    layers = layer_names(trainer.skeleton.shapes)
    assert layers == ["layers.0", "layers.1", "head"]
    line = line_values(trainer.task, trainer.state.tally, layers=layers)
    whole = sum(line[f"gradient_norm/{layer}"] ** 2 for layer in layers) ** 0.5
    assert whole == pytest.approx(line["gradient_norm"], rel=1e-5)
    head = sum(np.square(moved[f"head.{name}"]).sum() for name in ("kernel", "bias")) ** 0.5
    assert line["update_norm/head"] == pytest.approx(head, rel=1e-4)
    assert not [name for name in line_values(plain.task, plain.state.tally, layers=layers) if "/" in name]


def test_a_line_of_skipped_steps_alone_tells_their_number():
    trainer = Trainer().go(spoiled(0), spoiled(1))
    assert line_values(trainer.task, trainer.state.tally, layers=()) == {"skipped": 2}


def test_averages_guard_and_moments_are_saved_and_restored(tmp_path):
    trainer = Trainer(name="muon", ema=0.8).go(batch_of(0), spoiled(1))
    checkpoints = Checkpoints(tmp_path, keep=1, best="loss")
    checkpoints.save(trainer.state, step=2, identity={}, scores={})
    checkpoints.wait()
    checkpoints.close()
    like = jax.eval_shape(lambda: trainer.state)
    again = Trainer(name="muon", ema=0.8)
    again.state = restore_newest(tmp_path, like, trainer.mesh, identity={}, verify=True).state
    assert learning_parts(again) == learning_parts(trainer)
    assert bits(again.state.guard) == bits(trainer.state.guard)
    assert learning_parts(again.go(batch_of(2))) == learning_parts(trainer.go(batch_of(2)))


def fault_of(trainer, batch):
    return find_fault(trainer.task, trainer.skeleton, trainer.state, trainer.put(batch), step=int(trainer.state.step))


def test_the_first_layer_and_the_rows_are_named():
    trainer = Trainer().go(batch_of(0))
    told = fault_of(trainer, spoiled(1, row=3)).told()
    assert told == "the first value that is not finite is in the output of layers.0 in row 3 of the batch"
    assert fault_of(trainer, batch_of(1)) is None


def test_a_layer_that_overflows_is_found_behind_one_that_does_not():
    trainer = Trainer()
    kernel = trainer.state.params["layers.1.kernel"]
    trainer.state.params["layers.1.kernel"] = kernel * 3e38
    assert fault_of(trainer, batch_of(0)).what in ("in the output of layers.1", "the parameter layers.1.kernel itself")


def test_a_parameter_that_is_not_finite_is_named():
    trainer = Trainer()
    trainer.state.params["head.bias"] = trainer.state.params["head.bias"] * np.nan
    assert fault_of(trainer, batch_of(0)).what == "the parameter head.bias itself"


def test_a_gradient_is_blamed_where_the_forward_pass_is_finite():
    trainer = Trainer(root=True)
    nothing = batch_of(0)
    nothing["x"][:] = 0  # biases start at zero: the root of zero
    fault = fault_of(trainer, nothing)
    assert fault.what.startswith("the gradient of layers.1.")
    assert fault.rows == (0, 1)  # of the first micro-batch


def test_a_label_that_makes_the_loss_nan_is_told_from_a_layer():
    batch = batch_of(0)
    batch["y"][1] = np.nan
    assert fault_of(Trainer(), batch).what == "the loss"


def test_the_sentence_names_step_seed_rows_and_layer():
    trainer = Trainer(watch=TWO).go(batch_of(0), spoiled(1), spoiled(2), batch_of(3))
    batch = trainer.put(spoiled(1))
    told = stopping_sentence(trainer.task, trainer.skeleton, trainer.state, batch, watch=TWO, seed=7)
    assert "since steps 2 to 3 were skipped in a row" in told
    assert "the batch of step 2 (seed 7, 4 rows)" in told
    assert "in the output of layers.0 in row 2 of the batch" in told
    assert "\n" not in told
    calm = stopping_sentence(trainer.task, trainer.skeleton, trainer.state, trainer.put(batch_of(1)), watch=TWO, seed=7)
    assert "a fault of the machine is likely" in calm


@pytest.mark.parametrize(("key", "value"), [("max_skipped", 0), ("spike_factor", 0.5)])
def test_a_watch_that_would_skip_all_or_end_at_once_is_refused(key, value):
    from configs import defaults

    config = defaults.get_config()
    config.train[key] = value
    with pytest.raises(InputError, match=f"train.{key}={value} must be"):
        make_watch(config)
