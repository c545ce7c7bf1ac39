"""Which run a work directory belongs to, whatever a start that was killed has left there."""

import json

import pytest

import pretrained
from configs.defaults import get_config
from errors import InputError
from tasks import class_names, task
from training.goodput import goodput
from training.run_directory import as_tuples, claim, read_config, write_environment, write_steps
from training.weights import starting_source


@pytest.fixture
def config():
    return get_config().to_dict()


@pytest.mark.parametrize("name", [task.CLASSES, task.LABELS])
def test_what_was_found_before_the_first_checkpoint_makes_way_for_a_new_start(name, tmp_path, config):
    claim(tmp_path, config)
    (tmp_path / name).write_text('["a", "b"]')
    claim(tmp_path, config)
    assert not (tmp_path / name).exists()


def test_what_was_found_stays_with_a_checkpoint(tmp_path, config):
    claim(tmp_path, config)
    (tmp_path / "checkpoints" / "4").mkdir(parents=True)
    (tmp_path / task.CLASSES).write_text('["a", "b"]')
    claim(tmp_path, config)
    assert (tmp_path / task.CLASSES).exists()


def test_a_start_that_was_killed_while_it_wrote_its_config_is_begun_again(tmp_path, config):
    (tmp_path / "lock").touch()
    (tmp_path / "config.json.0123456789ab.new").write_text('{"mo')
    claim(tmp_path, config)
    assert read_config(tmp_path)["task"] == config["task"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "lock"]


@pytest.mark.parametrize("name", ["notes.new", "thesis.tex", "config.json.new", "letter.0123456789ab.new"])
def test_other_files_are_no_run_and_stay(name, tmp_path, config):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds no run of this project"):
        claim(tmp_path, config)
    assert [path.name for path in tmp_path.iterdir()] == [name]


DAMAGED = '{"train": {"steps": 4,}}'


@pytest.mark.parametrize("asked", [read_config, lambda there: write_steps(there, 4), lambda there: claim(there, {})])
def test_a_damaged_config_is_named(asked, tmp_path):
    (tmp_path / "config.json").write_text(DAMAGED)
    with pytest.raises(InputError, match=r"config.json: is not valid JSON .*line 1 .*; put a copy of it back"):
        asked(tmp_path)


def test_a_damaged_config_of_the_run_that_another_starts_from_is_named(tmp_path):
    (tmp_path / "config.json").write_text(DAMAGED)
    config = get_config()
    config.init_from = str(tmp_path)
    with pytest.raises(InputError, match=r"config.json: is not valid JSON"):
        starting_source(config, pretrained)


@pytest.mark.parametrize("asked", [write_environment, goodput])
def test_a_damaged_list_of_starts_is_named_and_stays(asked, tmp_path):
    (tmp_path / "environment.json").write_text("[{]")
    with pytest.raises(InputError, match=r"environment.json: is not valid JSON"):
        asked(tmp_path)
    assert (tmp_path / "environment.json").read_text() == "[{]"


def test_damaged_names_of_classes_are_not_taken_for_none(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"data": {"classes": []}}))
    (tmp_path / task.CLASSES).write_text('["a", "b"')
    with pytest.raises(InputError, match=r"classes.json: is not valid JSON"):
        class_names.classes_there(tmp_path)


def test_what_json_made_a_list_is_a_tuple_again_at_any_depth():
    windows = ((32, 32, 64, 64), 128)  # a layer's heads, and a layer
    assert as_tuples(json.loads(json.dumps(windows))) == windows
    assert as_tuples("none") == "none"
