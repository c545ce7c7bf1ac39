"""Which run a work directory belongs to, whatever a start that was killed has left there."""

import pytest

from configs.defaults import get_config
from errors import InputError
from tasks import class_names, semantic_roles
from training.run_directory import claim, read_config


@pytest.fixture
def config():
    return get_config().to_dict()


@pytest.mark.parametrize("name", [class_names.FILE, semantic_roles.LABELS])
def test_what_was_found_before_the_first_checkpoint_makes_way_for_a_new_start(name, tmp_path, config):
    claim(tmp_path, config)
    (tmp_path / name).write_text('["a", "b"]')
    claim(tmp_path, config)
    assert not (tmp_path / name).exists()


def test_what_was_found_stays_with_a_checkpoint(tmp_path, config):
    claim(tmp_path, config)
    (tmp_path / "checkpoints" / "4").mkdir(parents=True)
    (tmp_path / class_names.FILE).write_text('["a", "b"]')
    claim(tmp_path, config)
    assert (tmp_path / class_names.FILE).exists()


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
