"""Answers to choose from, in the form of RACE's files, through train.py: a tiny net that learns which is right."""

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
from models import Transformer, TransformerConfig
from models.heads import SequenceClassifier
from tasks.multiple_choice import MultipleChoice
from tests.tasks.files import config_of, write_lines
from tests.training.conftest import ROOT, read_lines

RIGHT, WRONG = ("yes", "indeed"), ("no", "never", "hardly")
NAMED = {"data.text": "article", "data.text_pair": "questions", "data.choices": "options", "data.label": "answers"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Articles with two questions, of three and of four choices, one of which says yes."""
    folder, dice = tmp_path_factory.mktemp("race"), np.random.default_rng(0)
    for split, count in (("train", 100), ("validation", 15), ("test", 20)):
        lines = []
        for n in range(count):
            options, answers = [], []
            for wrong in (WRONG, WRONG[:2]):
                at = int(dice.integers(len(wrong) + 1))
                options.append([*wrong[:at], RIGHT[n % 2], *wrong[at:]])
                answers.append("ABCD"[at])
            article = f"it was {n % 7} ."
            lines.append({"article": article, "questions": ["so _", "well"], "options": options, "answers": answers})
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def test_a_tiny_net_learns_to_choose_and_writes_what_it_chose(place, tmp_path, run):
    settings = [f"data.{split}={place}/{split}.jsonl" for split in ("train", "validation", "test")]
    settings += [f"{key}={value}" for key, value in NAMED.items()]
    settings += ["task=multiple_choice", "data.classes=()", "data.blank=_", "data.length=24", "model.pooling=mean"]
    settings += ["train.steps=60", "model.width=32", "model.depth=1", "optimizer.learning_rate=5e-3"]
    settings += ["evaluation.every=60", "checkpoint.every=60", "train.batch_size=16", "train.accumulation=1"]
    settings += ["model.dropout_rate=0.0", "model.attention_dropout_rate=0.0", "log.every=20"]
    run(tmp_path / "run", *settings, recipe="tiny_classifier.py")
    run(tmp_path / "run", *settings, "mode=evaluate", "evaluation.split=test", recipe="tiny_classifier.py")
    result = json.loads((tmp_path / "run" / "result_test.json").read_text())
    assert result["baseline"]["accuracy"] == pytest.approx((1 / 4 + 1 / 3) / 2)
    print(f"accuracy {result['accuracy']:.2f}, by chance {result['baseline']['accuracy']:.2f}")  # 1.0 seen
    assert result["accuracy"] > 0.8
    run(tmp_path / "run", *settings, "mode=predict", recipe="tiny_classifier.py")
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert [line["origin"].rpartition(":")[2] for line in lines[:3]] == [
        "1, question 1",
        "1, question 2",
        "2, question 1",
    ]
    right = [line["text"] in RIGHT for line in lines]
    assert np.mean(right) == pytest.approx(result["accuracy"])
    assert [len(line["probabilities"]) for line in lines[:2]] == [4, 3]
    assert sum(lines[1]["probabilities"]) == pytest.approx(1, abs=1e-5)


def task_of(place, **keys) -> MultipleChoice:
    given = {"mode": "evaluate", "data.length": 24, "data.blank": "_", "evaluation.batch_size": 4} | NAMED
    tokenizer = Tokenizer.train(
        "byte_bpe", ["it was so . _ well yes indeed no never hardly 0 1 2 3 4 5 6"] * 3, vocab_size=300
    )
    return MultipleChoice(config_of(place, "multiple_choice", **given | keys), tokenizer, place)


def test_a_choice_is_scored_as_its_row_alone_is_and_one_that_is_not_there_never_wins(place):
    task = task_of(place)
    cfg = TransformerConfig(vocab_size=300, width=16, depth=1, heads=2, mlp_width=16, max_positions=24)
    model = SequenceClassifier(Transformer(cfg, rngs=nnx.Rngs(0)), classes=1, dropout_rate=0.0, rngs=nnx.Rngs(1))
    nnx.update(model, jax.tree.map(lambda x: 20 * x, nnx.state(model, nnx.Param)))  # else all scores are nearly equal
    batch = next(iter(task.evaluation_batches("test")))
    assert batch["input_ids"].shape[:2] == (4, 4)
    told = task.logits(model, {name: jnp.asarray(batch[name]) for name in task.columns if name in batch}, None)
    examples = task.examples("test")
    for row, index in enumerate(batch["index"]):
        for place_, one in enumerate(examples[int(index)]["rows"]):
            alone = model(jnp.asarray(one["input_ids"])[None]).logits[0, 0]
            assert told[row, place_] == pytest.approx(float(alone), abs=1e-5)  # 1e-6 seen
    absent = ~np.asarray(batch["choice_mask"])
    assert absent.sum() == sum(4 - len(examples.choices[int(n)]) for n in batch["index"]) > 0
    chances = np.asarray(task.answers(model, {k: jnp.asarray(v) for k, v in batch.items()})["probabilities"])
    assert (chances[absent] == 0).all()
    assert np.std(np.asarray(told)[~absent]) > 0.1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data.choices": ""}, "data.choices must name the field"),
        ({"data.classes": ("a", "b")}, "leave data.classes"),
        ({"mode": "export"}, "cannot be exported"),
        ({"mode": "talk"}, "has no reply to a line"),
        ({"data.global_tokens": "question"}, "data.global_tokens='question' is not one of"),
    ],
)
def test_a_config_that_means_nothing_is_refused(place, keys, message):
    with pytest.raises(InputError, match=message):
        task_of(place, **keys)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """WikiHop's form: the answer is the candidate that says yes."""
    folder, dice = tmp_path_factory.mktemp("wikihop"), np.random.default_rng(0)
    for split, count in (("train", 200), ("validation", 30), ("test", 41)):
        lines = []
        for n in range(count):
            wrong = WRONG[: 1 + n % 3]
            at = int(dice.integers(len(wrong) + 1))
            candidates = [*wrong[:at], RIGHT[n % 2], *wrong[at:]]
            supports = [f"it was {n % 7} ."] * (1 + n % 4)
            lines.append({"query": "so", "candidates": candidates, "answer": RIGHT[n % 2], "supports": supports})
        write_lines(folder / f"{split}.jsonl", lines)
    return folder


def test_a_tiny_longformer_learns_to_choose_a_candidate_by_the_recipe_of_wikihop(documents, tmp_path, monkeypatch):
    settings = [f"data.{split}={documents}/{split}.jsonl" for split in ("train", "validation", "test")]
    settings += ["train.steps=60", "model.width=32", "model.depth=1", "model.heads=2", "model.mlp_width=32"]
    settings += ["optimizer.learning_rate=5e-3", "optimizer.warmup_steps=5", "evaluation.every=60", "log.every=20"]
    settings += ["checkpoint.every=60", "train.batch_size=16", "model.windows=(4,)", "tokenizer.vocab_size=300"]
    settings += ["evaluation.batch_size=16", f"workdir={tmp_path / 'run'}"]
    monkeypatch.chdir(ROOT)

    def run(*more):
        flags = [f"--config.{setting}" for setting in (*settings, *more)]
        monkeypatch.setattr(sys, "argv", ["train.py", "--config=configs/wikihop.py:tiny,length=128", *flags])
        train.main(sys.argv)

    run()
    run("mode=evaluate", "evaluation.split=test")
    result = json.loads((tmp_path / "run" / "result_test.json").read_text())
    print(f"accuracy {result['accuracy']:.2f}, by chance {result['baseline']['accuracy']:.2f}")  # 1.0 seen
    assert result["accuracy"] > 0.8
    run("mode=predict")
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert np.mean([line["text"] in RIGHT for line in lines]) == pytest.approx(result["accuracy"])
    assert [len(line["probabilities"]) for line in lines[:3]] == [2, 3, 4]
