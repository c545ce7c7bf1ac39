"""What is restored is what was saved, or the checkpoint before it, and never anything else."""

import json
import random
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from experiments.faults.damage import DIRECTORY, WAYS, damage_at_random
from experiments.faults.runs import as_bytes
from tests.training.eight_devices import ARRAYS, state_of
from training import restore
from training.about import About, from_best_to_worst
from training.checkpoint import Checkpoints
from training.damage import DamagedError
from training.mesh import ONE_DEVICE, make_mesh, replicated
from training.restore import restore_best, restore_newest, stored_steps
from training.state import TrainState

IDENTITY = {"training data": "abc"}
LOSSES = {1: 3.0, 2: 1.0, 3: 2.0}  # the best is neither the newest nor the oldest


def state(step: int) -> TrainState:
    return state_of({name: jnp.asarray(array) + step for name, array in ARRAYS.items()}, step=step)


def save(directory: Path, losses: dict[int, float], *, keep: int = 3) -> None:
    checkpoints = Checkpoints(directory, keep=keep, best="loss")
    for step, loss in losses.items():
        checkpoints.save(state(step), step=step, identity=IDENTITY, scores={"loss": loss})
    checkpoints.close()


def resume(directory: Path, *, like: TrainState | None = None, identity=IDENTITY, verify: bool = True):
    mesh, like = make_mesh(ONE_DEVICE), like or jax.eval_shape(lambda: state(0))
    return restore_newest(directory, like, mesh, identity=identity, verify=verify)


def evaluate(directory: Path):
    return restore_best(directory, make_mesh(ONE_DEVICE), best="loss", verify=True)


def flip_a_bit_of_data(item: Path) -> None:
    """In the middle of the file that holds the arrays themselves; small files beside it have checksums of their own."""
    path = max(item.glob("**/d/*"), key=lambda file: file.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "checkpoints"
    save(directory, LOSSES)
    return directory


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "checkpoints")


def test_what_is_restored_is_what_was_saved(saved, capsys):
    restored = resume(saved)
    assert (restored.step, restored.scores) == (3, {"loss": 2.0})
    assert as_bytes(restored.state) == as_bytes(state(3))
    weights, step = evaluate(saved)
    assert step == 2
    assert as_bytes(weights) == as_bytes(state(2).weights)
    assert capsys.readouterr().err == ""


def test_a_checkpoint_of_eight_devices_is_restored_on_one(eight_devices):
    _, directory = eight_devices
    expected = state_of({name: jnp.asarray(array) for name, array in ARRAYS.items()}, step=3)
    restored = resume(directory, like=jax.eval_shape(lambda: expected), identity={})
    assert as_bytes(restored.state) == as_bytes(expected)
    assert restored.state.params["table"].sharding == replicated(make_mesh(ONE_DEVICE))


def test_without_the_digests_a_flipped_bit_would_be_loaded_in_silence(copy, capsys):
    """The control: if Orbax ever notices by itself, the digests may go."""
    flip_a_bit_of_data(copy / "3" / "params")
    restored = resume(copy, verify=False)
    assert restored.step == 3
    assert as_bytes(restored.state) != as_bytes(state(3))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("item", ["params", "rest", "ema"])
def test_a_flipped_bit_is_named_and_the_checkpoint_before_is_used(item, copy, capsys):
    flip_a_bit_of_data(copy / "3" / item)
    restored = resume(copy)
    assert restored.step == 2
    assert as_bytes(restored.state) == as_bytes(state(2))
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(
        f"checkpoint 3 ({copy / '3'}) is damaged and not used: {item} differs from what was saved"
    )
    assert told[1:] == [f"checkpoint 3 was moved to {copy / 'damaged' / '3.1'}", "checkpoint 2 is used instead"]


def test_the_step_of_a_damaged_checkpoint_can_be_saved_again(copy):
    for number in (1, 2):
        flip_a_bit_of_data(copy / "3" / "params")
        assert resume(copy).step == 2
        assert (copy / "damaged" / f"3.{number}" / "params").is_dir()
        save(copy, {3: 0.5})
        assert as_bytes(resume(copy).state) == as_bytes(state(3))
        assert stored_steps(copy) == [3, 2, 1]


def test_a_damaged_best_gives_way_to_the_next_best_and_nothing_is_moved(copy, capsys):
    flip_a_bit_of_data(copy / "2" / "ema")
    before = sorted(copy.rglob("*"))
    weights, step = evaluate(copy)
    assert step == 3
    assert as_bytes(weights) == as_bytes(state(3).weights)
    told = capsys.readouterr().err
    assert told.startswith(f"checkpoint 2 ({copy / '2'}) is damaged and not used: ema differs")
    assert told.endswith("checkpoint 3 is used instead\n")
    shutil.rmtree(copy / "3" / "about")
    assert evaluate(copy)[1] == 1
    assert "checkpoint 3" in capsys.readouterr().err
    assert sorted(copy.rglob("*")) == [path for path in before if copy / "3" / "about" not in (path, path.parent)]


@pytest.mark.parametrize("way", [*WAYS, DIRECTORY])
@pytest.mark.parametrize("road", [resume, evaluate])
def test_random_damage_is_never_loaded(way, road, copy, tmp_path, capsys):
    """The short form of experiments/faults/corrupt.py."""
    first, second = (3, 2) if road is resume else (2, 3)
    for seed in range(3):
        again = shutil.copytree(copy, tmp_path / str(seed))
        damage = damage_at_random(again / str(first), random.Random(seed), way=way)
        if road is resume:
            restored = resume(again)
            got, step, true = as_bytes(restored.state), restored.step, as_bytes(state(restored.step))
        else:
            weights, step = evaluate(again)
            got, true = as_bytes(weights), as_bytes(state(step).weights)
        assert got == true, damage
        assert step in (first, second), damage
        assert (step == second) == (f"checkpoint {first} (" in capsys.readouterr().err), damage


@pytest.mark.parametrize("item", ["about", "params", "rest", "ema"])
def test_what_another_process_cannot_read_is_not_used_here_either(item, copy, capsys, monkeypatch):
    items = iter(("about", "params", "rest", "ema"))  # in the order in which they are read
    monkeypatch.setattr(restore, "any_of_us", lambda here: next(items, "") == item or here)
    assert resume(copy).step == 2
    assert f"is damaged and not used: {item} cannot be read by another process" in capsys.readouterr().err


def test_when_all_are_damaged_each_is_named_and_none_is_moved(copy):
    for step, name in ((1, "about/metadata"), (2, "params/manifest.ocdbt"), (3, "params/_METADATA")):
        (copy / str(step) / name).write_bytes(b"x")
    before = sorted(copy.rglob("*"))
    for road in (resume, resume, evaluate):
        with pytest.raises(InputError, match=r"all checkpoints in .* put back a copy, or delete") as caught:
            road(copy)
        assert all(f"{step}: " in str(caught.value) for step in LOSSES)
        assert "\n" not in str(caught.value)
        assert sorted(copy.rglob("*")) == before


def test_a_checkpoint_under_the_name_of_another_step_is_not_taken_for_it(copy, capsys):
    (copy / "3").rename(copy / "4")
    assert resume(copy).step == 2
    assert "(step 4)" not in capsys.readouterr().err
    assert (copy / "damaged" / "4.1").exists()


def test_arrays_of_another_checkpoint_are_not_taken_for_its_own(copy, capsys):
    shutil.rmtree(copy / "3" / "rest")
    shutil.copytree(copy / "2" / "rest", copy / "3" / "rest")
    assert resume(copy).step == 2
    assert "rest differs from what was saved in key, " in capsys.readouterr().err


def test_another_model_optimizer_or_data_is_no_damage(copy, capsys):
    wider = jax.eval_shape(lambda: state_of({"table": jnp.zeros((64, 17))}))
    with pytest.raises(InputError, match=r"another model: table has shape \(64, 16\) there and \(64, 17\) here; bias"):
        resume(copy, like=wider)
    halved = jax.eval_shape(lambda: state_of({n: jnp.asarray(a, jnp.float16) for n, a in ARRAYS.items()}))
    with pytest.raises(InputError, match=r"another model: .*table has dtype float32 there and float16 here"):
        resume(copy, like=halved)
    like = jax.eval_shape(lambda: state(0))
    plain = TrainState(like.step, like.params, (), like.key, like.tally, {}, like.guard)
    with pytest.raises(InputError, match=r"another optimizer or by another version: opt_state/0/count is only there"):
        resume(copy, like=plain)
    with pytest.raises(InputError, match="training data changed since its checkpoint 3"):
        resume(copy, identity={"training data": "xyz"})
    assert capsys.readouterr().err == ""
    assert stored_steps(copy) == [3, 2, 1]


def test_an_error_that_says_nothing_of_the_checkpoint_is_not_taken_for_damage(copy, monkeypatch):
    def full(*_, **__):
        raise MemoryError("out of memory")

    monkeypatch.setattr("orbax.checkpoint.Checkpointer.restore", full)
    with pytest.raises(MemoryError):
        resume(copy)
    assert stored_steps(copy) == [3, 2, 1]


def test_the_best_is_kept_over_a_restart(tmp_path):
    save(tmp_path, {1: 1.0, 2: 3.0}, keep=1)
    save(tmp_path, {3: 2.0}, keep=1)
    save(tmp_path, {4: 2.5}, keep=1)
    assert stored_steps(tmp_path) == [4, 1]
    assert evaluate(tmp_path)[1] == 1


@pytest.mark.parametrize(("name", "order"), [("loss", [5, 2, 4, 3, 1]), ("accuracy", [2, 5, 4, 3, 1])])
def test_a_score_that_is_not_finite_is_never_the_best(name, order):
    scores = {1: {name: np.nan}, 2: {name: 0.7}, 3: {name: np.inf}, 4: {}, 5: {name: 0.6}}
    for steps in (sorted(scores), sorted(scores, reverse=True)):
        assert from_best_to_worst({step: scores[step] for step in steps}, best=name) == order


@pytest.mark.parametrize("name", ["loss", "perplexity", "word_perplexity", "bits_per_character"])
def test_the_best_of_a_score_that_falls_is_its_lowest(name):
    assert from_best_to_worst({100: {name: 3.0}, 200: {name: 2.0}}, best=name) == [200, 100]


def test_about_notices_every_change_of_itself(saved):
    content = (saved / "3" / "about" / "metadata").read_bytes()
    assert About.from_json(json.loads(content)).scores == {"loss": 2.0}
    for place in np.random.default_rng(0).choice(len(content), 200, replace=False):
        for replacement in (content[place] ^ 1, content[place] ^ 2, content[place] ^ 64):
            changed = bytearray(content)
            changed[place] = replacement
            with pytest.raises((DamagedError, ValueError)):  # a ValueError where it is no JSON any more
                About.from_json(json.loads(changed))
