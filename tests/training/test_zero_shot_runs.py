"""Classes told by a model of entailment, through train.py: what each row is, and a tiny model that learns it."""

import json

import numpy as np
import pytest

from data.tokenizer import Tokenizer
from errors import InputError
from tasks.zero_shot import ZeroShot
from tests.tasks.files import config_of, write_lines
from tests.training.conftest import read_lines

COLOURS = ("red", "green", "blue")
TEMPLATE = "about {} !"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pairs that entail where the colour is the same; texts to classify whose labels no model is trained on."""
    folder, rng = tmp_path_factory.mktemp("entailment"), np.random.default_rng(0)
    for split, count in (("train", 288), ("validation", 48)):
        lines = []
        for n in range(count):
            colour, other = rng.permutation(COLOURS)[:2]
            told = colour if n % 2 else other
            label = "entailment" if told == colour else "contradiction"
            lines.append({"text": f"a {colour} thing", "second": TEMPLATE.format(told), "label": label})
        write_lines(folder / f"{split}.jsonl", lines)
    write_lines(
        folder / "test.jsonl", [{"text": f"a {COLOURS[n % 3]} thing", "label": COLOURS[n % 3]} for n in range(9)]
    )
    return folder


@pytest.fixture(scope="module")
def entailment(place, tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("runs") / "entailment"
    settings = [f"data.{split}={place}/{split}.jsonl" for split in ("train", "validation")]
    settings += ["data.text_pair=second", "data.classes=()", "model.pooling=mean", "train.steps=250", "model.width=32"]
    settings += ["optimizer.learning_rate=5e-3", "evaluation.every=250", "checkpoint.every=250", "model.depth=2"]
    settings += ["train.batch_size=32", "train.accumulation=1", "model.dropout_rate=0.0", "data.length=16"]
    run(workdir, *settings, "model.attention_dropout_rate=0.0", "log.every=50", recipe="tiny_classifier.py")
    assert json.loads((workdir / "result_validation.json").read_text())["accuracy"] > 0.9  # 1.0 seen
    return workdir


def asked(place, entailment):
    settings = ["task=zero_shot", f"init_from={entailment}", f"data.test={place}/test.jsonl", "data.length=16"]
    settings += [f"data.classes={COLOURS!r}", f"data.hypothesis={TEMPLATE}", "model.pooling=mean", "data.train="]
    return [*settings, "model.width=32", "model.depth=2", "checkpoint.best=accuracy", "data.validation="]


def test_a_model_of_entailment_tells_classes_that_it_was_not_trained_on(place, entailment, tmp_path, run):
    settings = asked(place, entailment)
    evaluated = (*settings, "mode=evaluate", "evaluation.split=test")
    run(tmp_path / "run", *evaluated, recipe="tiny_classifier.py")
    result = json.loads((tmp_path / "run" / "result_test.json").read_text())
    print(f"accuracy {result['accuracy']:.2f}, of the commonest class {result['baseline']['accuracy']:.2f}")  # 1.0
    assert result["accuracy"] > 0.8
    run(tmp_path / "run", *settings, "mode=predict", recipe="tiny_classifier.py")
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert np.mean([line["label"] == COLOURS[n % 3] for n, line in enumerate(lines)]) == result["accuracy"]
    assert set(lines[0]["probabilities"]) == set(COLOURS)
    assert abs(sum(lines[0]["probabilities"].values()) - 1) < 1e-5


def test_a_person_is_told_the_class_whose_hypothesis_a_line_entails(place, entailment, tmp_path, talk):
    settings = asked(place, entailment)
    out, _ = talk(tmp_path / "run", "a green thing", "a red thing", settings=settings, recipe="tiny_classifier.py")
    assert [line.split(" (probability")[0] for line in out[-2:]] == ["green", "red"]


def task_of(place, entailment, **keys) -> ZeroShot:
    given = {"init_from": str(entailment), "mode": "predict", "data.classes": COLOURS, "data.hypothesis": TEMPLATE}
    return ZeroShot(
        config_of(place, "zero_shot", **given | keys), Tokenizer.load(entailment / "tokenizer"), place / "z"
    )


def test_each_text_has_a_row_for_each_class(place, entailment):
    task = task_of(place, entailment, **{"data.length": 16, "evaluation.batch_size": 4})
    batch = next(iter(task.evaluation_batches("test")))
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (4, 3, 16)
    assert batch["labels"].tolist() == [0, 1, 2, 0]
    cls, sep = task.tokenizer.cls_id, task.tokenizer.sep_id
    parts = [task.tokenizer.encode(text).tolist() for text in ("a green thing", "about blue !")]
    row = [cls, *parts[0], sep, sep, *parts[1], sep]
    assert batch["input_ids"][1, 2].tolist()[: len(row)] == row
    assert batch["attention_mask"][1, 2].sum() == len(row)


def test_a_texts_answer_is_that_of_its_rows_one_by_one(place, entailment):
    """The net stands in as a table of logits by row, so that the order of rows and classes shows."""
    from flax import nnx

    from models.outputs import ClassifierOutput

    class ByFirstWord(nnx.Module):
        def __call__(self, input_ids, **inputs):
            assert inputs["attention_mask"].shape == input_ids.shape
            return ClassifierOutput(input_ids[:, -4:-2] * 0.01, None)

    task = task_of(place, entailment, **{"data.length": 16, "evaluation.batch_size": 4})
    batch = {k: v for k, v in next(iter(task.evaluation_batches("test"))).items() if k in task.columns}
    found = np.asarray(task.logits(ByFirstWord(), batch, None))
    logits = batch["input_ids"][..., -4:-2] * 0.01
    wanted = (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[..., 1]  # classes.json: contradiction, entailment
    error = np.abs(found - wanted).max()
    print(f"largest error {error:.1e}")  # 6e-8 seen
    assert error < 1e-6


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mode": "train"}, "zero_shot trains nothing"),
        ({"init_from": ""}, "zero_shot trains nothing"),
        ({"data.classes": ()}, r"data.classes must name the candidates"),
        ({"data.hypothesis": "about it"}, r"data.hypothesis='about it' must hold \{\} once"),
        ({"data.text_pair": "b"}, "zero_shot reads single texts"),
    ],
)
def test_what_is_no_question_to_such_a_model_is_refused(keys, message, place, entailment):
    with pytest.raises(InputError, match=message):
        task_of(place, entailment, **keys)


def test_a_run_of_another_kind_is_refused(place, entailment, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "pos", "0": "neg"}}))
    with pytest.raises(InputError, match="tells neg, pos apart, of which none is 'entailment'"):
        task_of(place, entailment, init_from=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="does not say which classes its model tells apart"):
        task_of(place, entailment, init_from=str(tmp_path))
