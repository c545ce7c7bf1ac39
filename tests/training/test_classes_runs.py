"""Numbers, classes found in the data and a class outside them all, through train.py."""

import json
import shutil

import numpy as np
import pytest

from errors import InputError
from tests.tasks.files import write_lines
from tests.training.conftest import read_lines

QUICK = (
    "train.steps=60",
    "evaluation.every=60",
    "checkpoint.every=60",
    "optimizer.learning_rate=1e-2",
    "data.length=16",
)
WORDS = ("red", "green", "blue", "many")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Texts of two of four words: a number that is how often "many" is there; and texts of one, a class."""
    folder, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(0)
    for split, count in (("train", 96), ("validation", 24), ("test", 24)):
        texts = [" ".join(rng.choice(WORDS, 2)) for _ in range(count)]
        lines = [{"text": text, "score": 3.0 + 2 * text.count("many")} for text in texts]
        for line in lines:
            word = line["text"].split()[0]
            line |= {"word": f"a {word} one", "colour": word.replace("many", "none")}
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def places(folder, *splits):
    return [f"data.{split}={folder}/{split}.jsonl" for split in splits]


@pytest.fixture(scope="module")
def regression(words, tmp_path_factory, run):
    settings = (*QUICK, *places(words, "train", "validation", "test"), "data.label=score", "data.classes=()")
    settings += ("task=regression", "checkpoint.best=pearson", "model.pooling=mean")
    workdir = tmp_path_factory.mktemp("regression") / "run"
    run(workdir, *settings, recipe="tiny_classifier.py")
    return workdir, settings


def test_a_number_is_learned_and_correlates(regression):
    result = json.loads((regression[0] / "result_validation.json").read_text())
    print(f"loss {result['loss']:.3f}, baseline {result['baseline']['loss']:.3f}, pearson {result['pearson']:.3f}")
    assert result["loss"] < 0.3 * result["baseline"]["loss"]  # 0.05 of it seen
    assert result["pearson"] > 0.9
    assert not (regression[0] / "classes.json").exists()


def test_evaluation_adds_spearman_and_prediction_gives_numbers(regression, run, words):
    workdir, settings = regression
    run(workdir, *settings, "mode=evaluate", "evaluation.split=test", recipe="tiny_classifier.py")
    result = json.loads((workdir / "result_test.json").read_text())
    assert result["spearman"] > 0.8
    assert result["baseline"]["name"] == "mean label"
    run(workdir, *settings, "mode=predict", recipe="tiny_classifier.py")
    told = np.array([line["number"] for line in read_lines(workdir / "predictions.jsonl")])
    true = np.array([line["score"] for line in read_lines(words / "test.jsonl")])
    assert ((told - true) ** 2).mean() == pytest.approx(result["loss"], rel=1e-4)


def test_a_person_is_told_the_number_of_a_text(regression, run, talk, words):
    workdir, settings = regression
    run(workdir, *settings, "mode=predict", recipe="tiny_classifier.py")
    texts = [line["text"] for line in read_lines(words / "test.jsonl")][:3]
    out, _ = talk(workdir, *texts, settings=settings, recipe="tiny_classifier.py")
    told = [line["number"] for line in read_lines(workdir / "predictions.jsonl")][:3]
    assert [float(line) for line in out[-3:]] == pytest.approx(told, rel=1e-3)


@pytest.fixture(scope="module")
def colours(words, tmp_path_factory, run):
    settings = [*QUICK, *places(words, "train", "validation", "test"), "data.text=word", "data.label=colour"]
    settings += ["data.classes=()", "data.outside=none", "masking.inputs=0.1", "model.pooling=mean"]
    settings += ["checkpoint.best=in_scope_accuracy"]
    workdir = tmp_path_factory.mktemp("colours") / "run"
    run(workdir, *settings, recipe="tiny_classifier.py")
    return workdir, settings


def test_classes_are_found_and_the_one_outside_is_learned(colours):
    workdir, _ = colours
    assert json.loads((workdir / "classes.json").read_text()) == ["blue", "green", "none", "red"]
    result = json.loads((workdir / "result_validation.json").read_text())
    print({name: result[name] for name in ("matthews", "in_scope_accuracy", "out_of_scope_recall")})  # 1.0 each seen
    assert result["in_scope_accuracy"] > 0.8
    assert result["out_of_scope_recall"] > 0.8


def test_a_threshold_is_applied_where_the_finished_model_is_asked(colours, run):
    workdir, settings = colours
    asked = (*settings, "mode=evaluate", "evaluation.split=test", "evaluation.outside_threshold=True")
    run(workdir, *asked, recipe="tiny_classifier.py")
    result = json.loads((workdir / "result_test.json").read_text())
    assert result["thresholded_out_of_scope_recall"] >= result["out_of_scope_recall"]
    assert 0 <= result["threshold"] <= 1
    assert result["baseline"]["thresholded_in_scope_accuracy"] == result["baseline"]["in_scope_accuracy"]
    changed = {"mode": "evaluate", "evaluation.split": "test", "evaluation.outside_threshold": True}
    assert result["scored"]["config"] == changed  # of what the run was trained with


def test_a_person_is_told_the_class_of_a_text_and_the_likeliest_others(colours, talk):
    workdir, settings = colours
    for more in ((), ("evaluation.outside_threshold=True",)):
        asked = ("a red one", " ", "\t", "a blue one")
        out, err = talk(workdir, *asked, settings=(*settings, *more), recipe="tiny_classifier.py")
        print(out[-2:])
        assert out[-2].startswith("red (probability 0.")
        assert out[-1].startswith("blue (probability 0.")
        assert out[-2].count(";") == 3
        assert err[-1].startswith("2 replies, median")


def test_a_finished_run_knows_its_classes_where_other_files_hold_fewer(colours, words, tmp_path, run):
    workdir, settings = colours
    write_lines(tmp_path / "one.jsonl", [{"word": "red red"}])
    elsewhere = [f"init_from={workdir}", "mode=predict", f"data.test={tmp_path}/one.jsonl", "data.train="]
    run(tmp_path / "other", *settings, *elsewhere, recipe="tiny_classifier.py")
    (line,) = read_lines(tmp_path / "other" / "predictions.jsonl")
    assert set(line["probabilities"]) == {"blue", "green", "none", "red"}


@pytest.mark.parametrize("kind", ["colours", "regression"])
def test_a_finished_run_is_scored_without_its_training_split(kind, run, request, words, capsys):
    workdir, settings = request.getfixturevalue(kind)
    asked = (*settings, "mode=evaluate", "evaluation.split=test")
    run(workdir, *asked, recipe="tiny_classifier.py")
    before = json.loads((workdir / "result_test.json").read_text())
    run(workdir, *asked, "data.train=", recipe="tiny_classifier.py")
    after = json.loads((workdir / "result_test.json").read_text())
    assert "no baseline beside the scores: data.train is empty" in capsys.readouterr().out
    assert after["baseline"] == {}
    apart = {"baseline": 0, "wall_seconds": 0, "scored": 0}
    assert {**after, **apart} == pytest.approx({**before, **apart})
    assert after["scored"]["config"] == before["scored"]["config"] | {"data.train": ""}
    with pytest.raises(InputError, match=r"gone.jsonl: no such file"):
        run(workdir, *asked, f"data.train={words}/gone.jsonl", recipe="tiny_classifier.py")
    assert "loss" not in capsys.readouterr().out


def test_other_classes_in_the_training_file_are_refused_and_the_old_names_stay(colours, words, tmp_path, run):
    workdir, splits = shutil.copytree(colours[0], tmp_path / "run"), ("train", "validation")
    config = json.loads((workdir / "config.json").read_text())
    for split in splits:
        lines = [line | {"colour": line["colour"].replace("u", "o")} for line in read_lines(words / f"{split}.jsonl")]
        config["data"][split] = str(write_lines(tmp_path / f"{split}.jsonl", lines))
    (workdir / "config.json").write_text(json.dumps(config))
    settings = (*colours[1], *places(tmp_path, *splits))
    with pytest.raises(InputError, match=r"classes changed since its checkpoint 60"):
        run(workdir, *settings, recipe="tiny_classifier.py")
    run(workdir, *settings, "mode=predict", recipe="tiny_classifier.py")
    assert set(read_lines(workdir / "predictions.jsonl")[0]["probabilities"]) == {"blue", "green", "none", "red"}


def test_a_broken_validation_file_is_told_before_the_first_step(words, tmp_path, run):
    write_lines(tmp_path / "validation.jsonl", [{"text": "red blue", "score": 3.0}, {"text": "red blue"}])
    files = (*places(words, "train"), *places(tmp_path, "validation"), "data.label=score", "data.classes=()")
    with pytest.raises(InputError, match=r"validation.jsonl:2: has no field 'score'"):
        run(tmp_path / "run", *QUICK, *files, "task=regression", "checkpoint.best=pearson", recipe="tiny_classifier.py")
    assert not list(tmp_path.glob("run/*.jsonl"))


def test_a_finished_model_is_not_asked_with_another_pooling(colours, run, tmp_path):
    workdir, settings = colours
    others = [setting for setting in settings if not setting.startswith("model.pooling")]
    for place in ([workdir], [tmp_path / "other", f"init_from={workdir}"]):
        with pytest.raises(InputError, match=r"model.pooling is 'mean' there and 'first' here"):
            run(place[0], *others, *place[1:], "mode=evaluate", recipe="tiny_classifier.py")


HEAD = {"head.output.kernel", "head.output.bias"}


@pytest.mark.parametrize(
    ("classes", "fresh"),
    [
        pytest.param((), set(), marks=pytest.mark.slow),  # the same as are found
        (("BLUE", "Green", "none", "red"), set()),
        (("green", "blue", "none", "red"), HEAD),  # of the same number, and other ones
        (("blue", "green", "none", "red", "violet"), HEAD),
    ],
)
def test_the_last_map_is_taken_from_a_run_that_tells_the_same_classes_apart(
    classes, fresh, colours, run, tmp_path, words, capsys
):
    workdir, settings = colours
    settings = [each for each in settings if not each.startswith("train.steps")]
    lines = [json.loads(line) for line in (words / "train.jsonl").read_text().splitlines()]
    for name in classes:
        lines = [line | {"colour": name} if line["colour"] == name.lower() else line for line in lines]
    write_lines(tmp_path / "train.jsonl", lines)
    again = [f"data.{split}={tmp_path / 'train.jsonl'}" for split in ("train", "validation")]
    start = (f"init_from={workdir}", f"data.classes={classes!r}", "optimizer.warmup_steps=0", "train.steps=1")
    run(tmp_path / "run", *settings, *again, *start, recipe="tiny_classifier.py")
    told = [line for line in capsys.readouterr().out.splitlines() if "fresh here" in line]
    assert {name for line in told for name in line.partition(": ")[2].split(", ")} == fresh


def test_a_number_may_be_learned_after_classes(colours, regression, run, tmp_path, capsys):
    begun, (_, settings) = colours[0], regression
    settings = [each for each in settings if not each.startswith("train.steps")]
    once = ("optimizer.warmup_steps=0", "train.steps=1", f"tokenizer.path={begun}/tokenizer", f"init_from={begun}")
    run(tmp_path / "run", *settings, *once, recipe="tiny_classifier.py")
    (told,) = (line for line in capsys.readouterr().out.splitlines() if "fresh here" in line)
    assert set(told.partition(": ")[2].split(", ")) == HEAD


def test_a_finished_model_is_not_asked_for_other_classes(colours, run, tmp_path):
    workdir, settings = colours
    other = ("mode=evaluate", "data.classes=('green', 'blue', 'none', 'red')")
    for place in ([workdir], [tmp_path / "other", f"init_from={workdir}"]):
        with pytest.raises(InputError, match=r"tells apart blue, green, none, red in this order: set data.classes to"):
            run(place[0], *settings, *place[1:], *other, recipe="tiny_classifier.py")
