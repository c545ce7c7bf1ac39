"""Pairs in the form of LRA's Retrieval, through train.py: a tiny net that learns whether two texts are of one kind."""

import io
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import train
from data.tokenizer import Tokenizer
from errors import InputError
from models import DualEncoder, Longformer, LongformerConfig
from tasks.matching import Matching
from tests.tasks.files import config_of
from tests.training.conftest import ROOT, read_lines

KINDS = (("whale", "shark", "eel"), ("oak", "ash"))
COLUMNS = ("label", "id1", "id2", "text1", "text2")
NAMED = {"data.columns": COLUMNS, "data.text": "text1", "data.text_pair": "text2"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files without a line of names, with a quotation mark that is no quotation."""
    folder, dice = tmp_path_factory.mktemp("aan"), np.random.default_rng(0)
    for split, count in (("train", 300), ("eval", 30), ("test", 40)):
        lines = []
        for n in range(count):
            kinds = dice.integers(2), dice.integers(2)
            texts = [f'an "{dice.choice(KINDS[kind])}' + " ." * int(dice.integers(4)) for kind in kinds]
            lines.append("\t".join([f"{float(kinds[0] == kinds[1])}", f"P{n}", f"Q{n}", *texts]))
        (folder / f"new_aan_pairs.{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def task_of(place, **keys) -> Matching:
    files = {"train": "train", "validation": "eval", "test": "test"}
    given = {f"data.{split}": f"{place}/new_aan_pairs.{part}.tsv" for split, part in files.items()}
    given |= NAMED | {"model.name": "longformer", "evaluation.batch_size": 4} | keys
    tokenizer = Tokenizer.train("byte_bpe", ["an whale shark eel oak ash . "] * 3, vocab_size=270)
    return Matching(config_of(place, "matching", **given), tokenizer, place)


def test_a_tiny_longformer_learns_to_match_by_the_recipe_of_retrieval(place, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs/data").mkdir(parents=True)
    (tmp_path / "runs/data/retrieval").symlink_to(place)
    monkeypatch.chdir(tmp_path)
    settings = ["train.steps=80", "model.width=32", "model.depth=1", "model.heads=2", "model.key_width=16"]
    settings += ["model.mlp_width=32", "optimizer.learning_rate=5e-3", "optimizer.warmup_steps=5", "data.length=32"]
    settings += ["evaluation.every=80", "checkpoint.every=80", "train.batch_size=32", "model.windows=(4,)"]
    settings += ["model.dropout_rate=0.0", "log.every=40", "model.pooling=mean", "optimizer.weight_decay=0.0"]
    settings += ["model.interaction=nli", "workdir=run"]
    recipe = f"{ROOT}/configs/long_range.py:retrieval,net=longformer,settings=reduced"

    def run(*more):
        flags = [f"--config.{setting}" for setting in (*settings, *more)]
        monkeypatch.setattr(sys, "argv", ["train.py", f"--config={recipe}", *flags])
        train.main(sys.argv)

    run()
    run("mode=evaluate", "evaluation.split=test")
    result = json.loads((tmp_path / "run/result_test.json").read_text())
    print(f"accuracy {result['accuracy']:.2f}, the commoner class {result['baseline']['accuracy']:.2f}")
    assert result["accuracy"] > 0.9
    assert result["baseline"]["name"] == "majority class"
    run("mode=predict")
    lines = read_lines(tmp_path / "run/predictions.jsonl")
    assert lines[0]["origin"].endswith("new_aan_pairs.test.tsv:1")
    truth = [line.split("\t")[0] for line in (place / "new_aan_pairs.test.tsv").read_text().splitlines()]
    right = np.mean([line["label"] == label for line, label in zip(lines, truth, strict=True)])
    assert right == pytest.approx(result["accuracy"])
    monkeypatch.setattr(sys, "stdin", io.StringIO('an "oak\tan "ash .\nan "eel\nan "eel\tan "oak\n'))
    capsys.readouterr()
    run("mode=talk")
    told = capsys.readouterr()
    assert [line.split(" (")[0] for line in told.out.splitlines()[-2:]] == ["1.0", "0.0"]
    assert "write the text1, a tab, and the text2" in told.err


@pytest.mark.parametrize("interaction", [pytest.param("none", marks=pytest.mark.slow), "nli"])
def test_each_text_is_read_as_if_alone(place, interaction):
    task = task_of(place, **{"model.interaction": interaction})
    cfg = LongformerConfig(
        vocab_size=270, width=16, depth=1, heads=2, mlp_width=16, max_positions=32, windows=(4,), token_types=0
    )
    model = DualEncoder(Longformer(cfg, rngs=nnx.Rngs(0)), **task.head, rngs=nnx.Rngs(1))
    nnx.update(model, jax.tree.map(lambda x: 10 * x, nnx.state(model, nnx.Param)))  # else all logits are nearly 0
    batch = {name: jnp.asarray(x) for name, x in next(iter(task.evaluation_batches("test"))).items()}
    assert batch["input_ids"].shape == (4, 2, 32)
    assert batch["global_attention_mask"].sum(-1).tolist() == [[1, 1]] * 4
    told = nnx.jit(lambda model, batch: task.logits(model, batch, None))(model, batch)
    encode = nnx.jit(lambda encoder, ids, first: encoder(ids, global_attention_mask=first).last_hidden_state[:, 0])
    spread = jnp.std(told)  # over pairs and classes
    assert spread > 1e-2
    examples = task.examples("test")
    for row, index in enumerate(batch["index"]):
        ids = [jnp.asarray(each["input_ids"])[None] for each in examples[int(index)]["rows"]]
        a, b = (encode(model.encoder, each, jnp.zeros_like(each).at[:, 0].set(1)) for each in ids)
        difference = jnp.abs(told[row] - model.head(a, b)[0]).max()
        print(f"{float(difference / spread):.1e}")  # 7e-7 seen
        assert difference < 1e-4 * spread


def test_products_and_differences_are_seen_by_the_head_alone_that_is_asked_for_them():
    cfg = LongformerConfig(vocab_size=9, width=8, depth=1, heads=2, mlp_width=8, max_positions=8, windows=(2,))
    shapes = {
        interaction: nnx.eval_shape(
            lambda how=interaction: DualEncoder(
                Longformer(cfg, rngs=nnx.Rngs(0)), classes=2, interaction=how, rngs=nnx.Rngs(0)
            )
        ).head.first.kernel.shape
        for interaction in ("none", "nli")
    }
    assert shapes == {"none": (16, 8), "nli": (32, 8)}
    with pytest.raises(InputError, match=r"model.interaction='product' is not one of none, nli"):
        DualEncoder(Longformer(cfg, rngs=nnx.Rngs(0)), classes=2, interaction="product", rngs=nnx.Rngs(0))


def test_identity_sees_both_texts(place, tmp_path):
    first = task_of(place).identity
    for split in ("train", "eval", "test"):
        name = f"new_aan_pairs.{split}.tsv"
        (tmp_path / name).write_text((place / name).read_text())
    assert task_of(tmp_path).identity == first
    changed = tmp_path / "new_aan_pairs.train.tsv"
    changed.write_text(changed.read_text()[:-1] + ".\n")  # the last text of the second column
    assert task_of(tmp_path).identity != first


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data.text_pair": ""}, "data.text_pair must name the field"),
        ({"masking.inputs": 0.1}, "leave it 0 for matching"),
        ({"model.classifier": "relu"}, "leave it empty for matching"),
        ({"mode": "export"}, "cannot be exported"),
    ],
)
def test_a_config_that_means_nothing_is_refused(place, keys, message):
    with pytest.raises(InputError, match=message):
        task_of(place, **keys)
