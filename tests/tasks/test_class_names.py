import json

import pytest

from configs import defaults
from data.classification import classes_of
from data.records import Record
from errors import InputError
from tasks.class_names import class_names, classes_there


def labelled(*labels):
    return [Record({"label": label}, f"a.jsonl:{n}") for n, label in enumerate(labels, 1)]


def settings(**keys):
    config = defaults.get_config()
    for key, value in keys.items():
        section, _, name = key.rpartition("__")
        (config[section] if section else config)[name] = value
    return config


def test_classes_are_the_labels_of_the_training_split_sorted_and_numbers_in_their_order(tmp_path):
    found = class_names(settings(), tmp_path, lambda: labelled("b", "a", "b", "ä"))
    assert found == ("a", "b", "ä")
    assert json.loads((tmp_path / "classes.json").read_text(encoding="utf-8")) == ["a", "b", "ä"]
    assert classes_of(labelled(10, 9, "2", -1), "label") == ("-1", "2", "9", "10")
    assert classes_of(labelled(True, False), "label") == ("false", "true")


def test_classes_that_the_config_names_are_left_as_they_are_and_nothing_is_read(tmp_path):
    assert class_names(settings(data__classes=("z", "a")), tmp_path, lambda: 1 / 0) == ("z", "a")
    assert not list(tmp_path.iterdir())


def test_a_finished_model_keeps_the_classes_that_it_was_trained_on(tmp_path):
    class_names(settings(), tmp_path / "run", lambda: labelled("a", "b", "c"))
    for mode in ("evaluate", "predict", "talk", "export"):
        assert class_names(settings(mode=mode), tmp_path / "run", lambda: labelled("a", "b")) == ("a", "b", "c")
    elsewhere = settings(mode="predict", init_from=str(tmp_path / "run"))
    assert class_names(elsewhere, tmp_path / "other", lambda: labelled("a")) == ("a", "b", "c")
    with pytest.raises(InputError, match=r"there is no .*other/classes.json: say in data.classes"):
        class_names(settings(mode="predict"), tmp_path / "other", list)


@pytest.mark.parametrize(
    ("names", "told"),
    [(["no", "yes"], ("no", "yes")), (["LABEL_0", "LABEL_1"], ()), ([0, 1], ()), ([], ()), (3, ()), (None, ())],
)
def test_a_published_model_has_the_classes_that_its_authors_named(tmp_path, names, told):
    listed = {str(number): name for number, name in enumerate(names)} if isinstance(names, list) else names
    (tmp_path / "config.json").write_text(json.dumps({"id2label": listed}))
    assert classes_there(tmp_path) == told
    assert classes_there(tmp_path / "gone") == ()
    if told:
        asked = settings(mode="evaluate", init_from=str(tmp_path))
        assert class_names(asked, tmp_path / "run", list) == told


def test_classes_that_the_config_names_go_before_a_file_left_by_another_try(tmp_path):
    (tmp_path / "classes.json").write_text('["left", "over"]')
    assert classes_there(tmp_path) == ("left", "over")
    (tmp_path / "config.json").write_text('{"data": {"classes": ["a", "b"]}}')
    assert classes_there(tmp_path) == ("a", "b")


def test_training_on_other_files_finds_theirs_and_the_finished_model_keeps_its_own(tmp_path):
    class_names(settings(), tmp_path, lambda: labelled("a", "b"))
    assert class_names(settings(), tmp_path, lambda: labelled("c", "b")) == ("b", "c")
    assert class_names(settings(mode="evaluate"), tmp_path, list) == ("a", "b")


def test_the_class_outside_them_all_needs_no_training_example(tmp_path):
    assert class_names(settings(data__outside="oos"), tmp_path, lambda: labelled("a", "z")) == ("a", "oos", "z")


@pytest.mark.parametrize(
    ("keys", "labels", "message"),
    [
        ({}, ("a", "a"), "at least two different classes"),
        ({}, ("a", 0.5), r"a.jsonl:2: the label is 0.5, which is no name; name the classes in data.classes"),
        ({}, ("a", None), r"a.jsonl:2: the label is None"),
        ({}, ("", "a"), r"a.jsonl:1: the label is empty"),
        ({"data__classes": ("a", "b", "a")}, (), "data.classes names 'a' more than once"),
        ({"data__classes": ("a", "b"), "data__outside": "c"}, (), "data.outside='c' is not one of data.classes: a, b"),
    ],
)
def test_what_can_be_no_classes_is_refused(keys, labels, message, tmp_path):
    with pytest.raises(InputError, match=message):
        class_names(settings(**keys), tmp_path, lambda: labelled(*labels))
