"""Recipes that go on from a published Longformer, on one made here: every key but sizes and steps is their own."""

import json
import sys

import pytest

import train
from tests.tasks.files import write_lines
from tests.training.conftest import ROOT, read_lines


@pytest.fixture(scope="module")
def published(tmp_path_factory, run):
    """A Longformer for 64 tokens in transformers' format."""
    workdir = tmp_path_factory.mktemp("published") / "run"
    short = ("train.steps=2", "optimizer.warmup_steps=1", "evaluation.every=2", "checkpoint.every=2")
    for mode in ("train", "export"):
        run(workdir, *short, "model.name=longformer", "model.max_positions=64", "data.length=64", f"mode={mode}")
    return workdir / "exported"


def trained(monkeypatch, recipe, published, workdir, *settings):
    """Two steps of the recipe, then the scores of its test split if it has one."""
    monkeypatch.chdir(ROOT)
    settings += ("train.steps=2", "optimizer.warmup_steps=1", "evaluation.every=1", "checkpoint.every=1", "log.every=1")
    settings += ("train.batch_size=4", "train.accumulation=2", "evaluation.batch_size=4", "data.length=64")
    settings += (f"init_from={published}", f"workdir={workdir}", f"compilation_cache={workdir.parent}/xla")
    settings += ("log.progress=False", "log.plot=False", "log.tensorboard=False")
    flags = [f"--config.{setting}" for setting in settings]
    monkeypatch.setattr(sys, "argv", ["train.py", f"--config={recipe}", *flags])
    train.main(sys.argv)
    return [line["learning_rate"] for line in read_lines(workdir / "metrics.jsonl") if line["split"] == "train"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "best"), [("imdb", "accuracy"), ("hyperpartisan", "f1")])
def test_long_texts_are_classified(name, best, published, tmp_path, monkeypatch):
    classes = {"imdb": ("neg", "pos"), "hyperpartisan": ("false", "true")}[name]
    lines = [{"text": f"it was {'so ' * n}", "label": classes[n % 2]} for n in range(8)]
    files = {split: write_lines(tmp_path / f"{split}.jsonl", lines) for split in ("train", "validation", "test")}
    settings = [f"data.{split}={path}" for split, path in files.items()]
    settings += ["data.source=files", "data.buckets=(16,)"]
    rates = trained(monkeypatch, f"configs/long_texts.py:{name}", published, tmp_path / "run", *settings)
    assert max(rates) == pytest.approx(3e-5)
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--config.mode=evaluate", "--config.evaluation.split=test"])
    train.main(sys.argv)
    assert best in json.loads((tmp_path / "run" / "result_test.json").read_text())


@pytest.mark.slow
def test_a_masked_language_model_goes_on(published, corpus, tmp_path, monkeypatch):
    settings = [f"data.train={corpus}/train", f"data.validation={corpus}/validation"]
    recipe = "configs/pretrain.py:base,model=longformer,further=True"
    rates = trained(monkeypatch, recipe, published, tmp_path / "run", *settings)
    assert max(rates) == pytest.approx(3e-5)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["model"]["depth"], config["model"]["windows"]) == (1, [4])
