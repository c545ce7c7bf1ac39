"""Each task of GLUE by name: as TFDS tells its fields and classes, and through train.py on made records."""

import json
import sys

import pytest

import train
from configs import command_line, defaults
from configs.glue import TASKS
from errors import InputError
from tasks.texts import read_split
from tests.tasks.files import write_lines
from tests.training.conftest import ROOT, read_lines

# TFDS imports much; what it warns about is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")


def made(task, count, *, labelled=True):
    label = {n: n % len(task.classes) if task.classes else n % 6 for n in range(count)}
    lines = [{field: f"{field} {label[n]} word" for field in task.texts} for n in range(count)]
    return [line | ({"label": float(label[n]) if not task.classes else label[n]} if labelled else {}) for n, line in
            enumerate(lines)]  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_fields_and_classes_are_those_that_tfds_has(name, tmp_path):
    import tensorflow_datasets as tfds
    import tensorflow_datasets.text

    features = tfds.builder(f"glue/{name}", data_dir=tmp_path).info.features
    task = TASKS[name]
    texts = [field for field, kind in features.items() if isinstance(kind, tfds.features.Text)]
    assert sorted(texts) == sorted(task.texts)
    assert list(task.classes) == list(getattr(features["label"], "names", []))


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in ("cola", "mnli")] + ["stsb"])
def test_a_task_trains_and_answers_through_train_py_on_records_with_its_fields(name, tmp_path, monkeypatch):
    """Two steps of a net of width 16; every key of the recipe but the source, the net and the lengths is its own."""
    task = TASKS[name]
    for split, count in (("train", 12), ("validation", 6)):
        write_lines(tmp_path / f"{split}.jsonl", made(task, count))
    write_lines(tmp_path / "test.jsonl", made(task, 3, labelled=False))
    monkeypatch.chdir(ROOT)
    small = {"train": f"{tmp_path}/train.jsonl", "validation": f"{tmp_path}/validation.jsonl"}
    flags = [f"--config.data.{key}={value}" for key, value in small.items()]
    flags += [f"--config.data.test={tmp_path}/test.jsonl", "--config.data.source=files", "--config.data.length=32"]
    flags += ["--config.data.buckets=()", "--config.model.from_init=False", "--config.model.name=transformer"]
    flags += ["--config.model.width=16", "--config.model.depth=1", "--config.model.heads=2", "--config.train.steps=2"]
    flags += ["--config.model.mlp_width=16", "--config.tokenizer.vocab_size=300", "--config.optimizer.warmup_steps=1"]
    flags += [f"--config.compilation_cache={tmp_path.parent}/xla", f"--config.workdir={tmp_path}/run"]
    flags += ["--config.log.progress=False", "--config.log.plot=False", "--config.log.tensorboard=False"]
    argv = ["train.py", f"--config=configs/glue.py:{name}", *flags]
    for mode in ("train", "predict"):
        monkeypatch.setattr(sys, "argv", [*argv, f"--config.mode={mode}"])
        train.main(sys.argv)
    result = json.loads((tmp_path / "run" / "result_validation.json").read_text())
    assert task.best in result
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert [set(line) for line in lines] == [{"origin", "label", "probabilities"} if task.classes else
                                             {"origin", "number"}] * 3  # fmt: skip
    assert all(line["label"] in task.classes for line in lines if task.classes)


def test_the_steps_follow_the_batch_and_the_epochs():
    config = command_line.parse(["train.py", f"--config={ROOT}/configs/glue.py:rte,batch=32,epochs=3"])
    assert (config.train.batch_size, config.train.steps) == (32, 234)
    assert config.optimizer.warmup_steps == 14
    with pytest.raises(InputError, match=r"no size 'mlni' .*; did you mean 'mnli'\?"):
        command_line.parse(["train.py", f"--config={ROOT}/configs/glue.py:mlni"])


def test_the_hidden_labels_of_the_test_sets_are_refused_by_place(tmp_path):
    from data.classification import classification_examples
    from data.tokenizer import Tokenizer

    path = write_lines(tmp_path / "test.jsonl", [{"sentence": "a b", "label": -1}])
    config = defaults.get_config()
    config.data.update(source="files", test=str(path))
    records = read_split(config.data, "test", fields=("sentence", "label"))
    how = {"length": 8, "classes": TASKS["sst2"].classes, "text": "sentence"}
    with pytest.raises(InputError, match=r"test.jsonl:1: the label '-1' is not one of the 2 classes"):
        classification_examples(records, Tokenizer.train("wordpiece", ["a b"] * 3, vocab_size=40), **how)
