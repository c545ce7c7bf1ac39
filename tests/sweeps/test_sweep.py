"""What a sweep is: its settings, its points' names and commands, and what is refused before anything runs."""

import itertools

import numpy as np
import pytest

from errors import InputError
from sweeps import Choice, Integer, LogUniform, Search, Sweep, Uniform, grid, sample
from sweeps.sweep import load, name_of

RECIPE = "configs/quickstart.py:short"


def sweep(**more) -> Sweep:
    return Sweep(**{"recipe": RECIPE, "directory": "runs/sweeps/x"} | more)


def test_a_grid_has_each_value_with_each_other():
    found = grid({"a": (1, 2), "b": ("x", "y", "z")})
    assert found == [{"a": a, "b": b} for a, b in itertools.product((1, 2), "xyz")]
    assert found[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "z"}]


def test_a_grid_without_values_is_refused():
    with pytest.raises(InputError, match=r"model.name should have a list of values, got 'longformer'"):
        grid({"model.name": "longformer"})
    with pytest.raises(InputError, match="depth should have a list of values"):
        grid({"depth": ()})


def test_a_sample_is_drawn_from_its_ranges_and_is_the_start_of_a_larger_one():
    space = {
        "optimizer.learning_rate": LogUniform(1e-4, 1e-1),
        "model.dropout_rate": Uniform(0, 0.5),
        "model.depth": Integer(1, 4),
        "model.name": Choice(("transformer", "longformer")),
    }
    found = sample(space, 200, seed=3)
    rates = sorted(setting["optimizer.learning_rate"] for setting in found)
    assert rates[0] >= 1e-4
    assert rates[-1] <= 1e-1
    assert 1e-3 < rates[100] < 1e-2  # the median, near the middle of the logarithms
    assert {setting["model.depth"] for setting in found} == {1, 2, 3, 4}
    assert {setting["model.name"] for setting in found} == {"transformer", "longformer"}
    assert all(len(f"{rate:g}") <= 8 for rate in rates)
    assert sample(space, 20, seed=3) == found[:20]
    assert sample(space, 20, seed=4) != found[:20]


def test_a_sample_larger_than_its_space_is_refused():
    with pytest.raises(InputError, match="found only 3 different settings of the 4"):
        sample({"model.depth": Integer(1, 3)}, 4)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Uniform(1, 1), "low must lie below high"),
        (lambda: LogUniform(0, 1), "low must be above 0"),
        (lambda: Choice(()), r"Choice should have a list of values, got \(\)"),
        (lambda: Choice("adamw"), "Choice should have a list of values, got 'adamw'"),
        (lambda: Search(space={}, trials=3), "needs a space"),
        (lambda: sweep(goal="least"), "should be 'min' or 'max'"),
        (lambda: sweep(seeds=(0, 0)), "each once"),
        (lambda: sweep(settings=[]), "has no settings"),
        (lambda: sweep(splits=("test",)), "should begin with the one to choose by"),
        (lambda: sweep(splits=("validation", "tset")), "should be of train, validation, test, got 'tset'"),
        (lambda: sweep(splits="validation"), "should be of train, validation, test, got 'v'"),
        (lambda: sweep(settings=grid({"seed": (0, 1)})), "'seed' is no key for a sweep to set; `seeds` of the sweep"),
        (lambda: sweep(settings=Search(space={"seed": Integer(0, 9)}, trials=3)), "'seed' is no key"),
        (lambda: sweep(keys={"workdir": "runs/x"}), "'workdir' is no key .* `directory` of the sweep"),
        (lambda: sweep(settings={"model.depth": 2}), "'model.depth' of the sweep should be a dict"),
    ],
)
def test_what_makes_no_sweep_is_refused(make, told):
    with pytest.raises(InputError, match=told):
        make()


def test_a_point_is_called_by_its_setting_and_seed_and_has_a_command_for_each_use():
    made = sweep(
        keys={"train.steps": 20, "data.train": "texts/*.txt"},
        settings=[{"optimizer.learning_rate": 1e-3, "model.windows": (8, 16)}],
        seeds=(0, 1),
        splits=("validation", "test"),
        then=({"mode": "predict"},),
    )
    first, second = made.points()
    assert (first.name, second.name) == (
        "learning_rate=0.001,windows=8-16,seed=0",
        "learning_rate=0.001,windows=8-16,seed=1",
    )
    training, validation, scoring, prediction = second.commands
    assert training == [
        f"--config={RECIPE}",
        "--config.train.steps=20",
        "--config.data.train=texts/*.txt",
        "--config.optimizer.learning_rate=0.001",
        "--config.model.windows=(8, 16)",
        "--config.seed=1",
        "--config.workdir=runs/sweeps/x/points/learning_rate=0.001,windows=8-16,seed=1",
    ]
    assert scoring == [*training[:-2], "--config.mode=evaluate", "--config.evaluation.split=test", *training[-2:]]
    assert "--config.evaluation.split=validation" in validation
    assert "--config.mode=predict" in prediction


def test_a_setting_may_choose_the_recipe_and_text_may_name_the_seed():
    made = sweep(
        settings=[{"recipe": "configs/characters.py:tiny"}], keys={"init_from": "runs/read-{seed}"}, seeds=(7,)
    )
    assert made.points()[0].commands[0][:2] == ["--config=configs/characters.py:tiny", "--config.init_from=runs/read-7"]
    assert made.points()[0].name == "recipe=configs-characters.py-tiny,seed=7"


@pytest.mark.parametrize("letter", ["x", "\N{CJK UNIFIED IDEOGRAPH-66F8}"])
def test_long_names_are_cut_and_still_differ(letter):
    names = {name_of({"data.train": letter * 150 + end}) for end in "ab"}
    assert len(names) == 2
    assert max(len(name.encode()) for name in names) <= 120


def test_settings_that_look_alike_have_directories_of_their_own():
    made = sweep(settings=grid({"mesh.data": (-1, 1)}))
    assert [point.name for point in made.points()] == ["data=-1,seed=0", "data=1,seed=0"]
    for settings in (
        grid({"data.train": ("a/b", "a b", "c")}),
        [{"train.batch_size": 8}, {"evaluation.batch_size": 8}, {"train.batch_size": 16}],
    ):
        made = sweep(settings=settings, seeds=(0, 1))
        made.check()
        assert len({point.name for point in made.points()}) == 6
        assert made.points()[-1].name in ("train=c,seed=1", "batch_size=16,seed=1")  # alone with its name
    searched = sweep(settings=Search(space={"data.train": Choice(("a/b", "c", "a b"))}, trials=3))
    names = [searched.point({"data.train": value}, 0).name for value in ("a/b", "c", "a b")]
    assert len(set(names)) == 3
    assert names[1] == "train=c,seed=0"


def test_a_command_that_is_asked_for_twice_is_run_once():
    scoring = {"mode": "evaluate", "evaluation.split": "test"}
    made = sweep(splits=("validation", "test"), then=(scoring,)).points()[0]
    assert len(made.commands) == 3


def test_numbers_of_numpy_are_told_as_those_of_python():
    axes = {"optimizer.learning_rate": np.logspace(-4, -3, 2), "model.windows": (tuple(np.array([4])), np.array([2]))}
    space = {"optimizer.learning_rate": Choice(tuple(np.logspace(-4, -3, 2)))}
    for settings in (grid(axes), sample(space, 2), Search(space=space, trials=2)):
        made = sweep(settings=settings, keys={"train.steps": np.int64(9)}, seeds=np.arange(2))
        made.check()
        told = repr([point.commands for point in made.points()])
        assert "np." not in told
    assert sweep(settings=grid(axes)).points()[0].name == "learning_rate=0.0001,windows=4,seed=0"
    sweep(settings=Search(space={"model.depth": Choice((2,))}, trials=1)).check()  # one setting, told once


def test_settings_that_can_be_gone_through_once_are_kept():
    made = sweep(settings=({"model.depth": depth} for depth in (1, 2)))
    assert len(made.points()) == len(made.points()) == 2


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"settings": [{"model.dept": 2}]}, r"dept=2,seed=0: there is no config key .* mean --config.model.depth"),
        ({"settings": [{"model.depth": "two"}]}, "should be of type int"),
        ({"settings": [{"model.width": 65}]}, "width=65,seed=0: .*heads"),
        ({"settings": [{"model.depth": 2}, {"model.depth": 2}]}, "depth=2,seed=0 twice"),
        ({"then": [{"evaluation.splt": "test"}]}, "no config key"),
        ({"settings": Search(space={"model.width": Integer(64, 67)}, trials=3)}, "width=67,seed=0: .*heads"),
        ({"settings": Search(space={"model.width": Choice((64, 65, 68))}, trials=3)}, "width=65,seed=0: .*heads"),
    ],
)  # fmt: skip
def test_every_command_is_checked_before_any_of_them_runs(more, told):
    with pytest.raises(InputError, match=told):
        sweep(**more).check()


def write(tmp_path, text: str) -> str:
    (tmp_path / "rates.py").write_text(text)
    return str(tmp_path / "rates.py")


def test_a_file_is_read_with_its_argument_and_names_the_directory(tmp_path):
    place = write(
        tmp_path,
        "from sweeps import Sweep\n"
        "def get_sweep(argument):\n"
        f"    return Sweep(recipe={RECIPE!r}, settings=[{{'model.depth': int(argument)}}])\n",
    )
    assert load(f"{place}:2").root.as_posix() == "runs/sweeps/rates-2"
    assert [point.name for point in load(f"{place}:2").points()] == ["depth=2,seed=0"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def get_sweep():\n    return 1 / 0\n", r"rates.py:2 fails: ZeroDivisionError"),
        ("def get_sweep(:\n", r"rates.py:1 fails: SyntaxError"),
        ("x = 1\n", "fails: AttributeError: .*get_sweep"),
        ("def get_sweep():\n    return {}\n", "should return a Sweep, got dict"),
    ],
)
def test_a_file_that_makes_no_sweep_is_refused_with_its_line(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        load(write(tmp_path, text))


def test_a_missing_file_and_an_argument_that_nothing_takes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no sweep file nowhere.py"):
        load("nowhere.py")
    with pytest.raises(InputError, match="takes no argument"):
        load(write(tmp_path, "def get_sweep():\n    return 1\n") + ":3")
