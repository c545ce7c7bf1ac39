"""Made-up stories in the columns of the CoNLL-2012 shared task, through train.py: a tiny net learns who she is."""

import io
import json
import sys

import numpy as np
import pytest

import train
from data.conll2012 import conll2012_text
from data.documents import documents_of
from data.records import Record, read_records
from data.tokenizer import Tokenizer
from errors import InputError
from metrics.coreference import scores
from tasks.coreference import Coreference
from tasks.coreferent import SameWords, bracketed, linked, wanted
from tests.tasks.files import config_of
from tests.training.conftest import ROOT, read_lines

HER, HIM = ("Ann", "Eve", "Mia"), ("Bob", "Tom", "Max")


def story(dice: np.random.Generator, number: int) -> dict:
    """A woman and a man, then sentences about the one and the other; the baseline cannot know who "she" is."""
    names = [str(dice.choice(HER)), str(dice.choice(HIM))]
    sentences, clusters = [[names[0], "met", names[1], "."]], [[[0, 0]], [[2, 2]]]
    at = 4
    for _ in range(int(dice.integers(2, 5))):
        who = int(dice.integers(2))
        called = ("She", "He")[who] if dice.integers(2) else names[who]
        clusters[who].append([at, at])
        sentences.append([called, str(dice.choice(("sang", "slept", "ran"))), "."])
        at += 3
    return {"doc_key": f"made/{number}_0", "sentences": sentences, "clusters": [c for c in clusters if len(c) > 1]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder, dice = tmp_path_factory.mktemp("stories"), np.random.default_rng(0)
    for split, count in (("train", 150), ("validation", 12), ("test", 25)):
        stories = [story(dice, number) for number in range(count)]
        (folder / f"{split}.conll").write_text(conll2012_text(stories))
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in stories))
    return folder


SETTINGS = (
    "train.steps=130",
    "train.batch_size=16",
    "model.width=48",
    "model.depth=2",
    "model.heads=2",
    "model.mlp_width=64",
    "model.windows=(16,)",
    "model.dropout_rate=0.0",
    "model.mention_width=32",
    "model.mention_tokens=4",
    "data.length=48",
    "data.buckets=()",
    "tokenizer.vocab_size=200",
    "optimizer.learning_rate=4e-3",
    "optimizer.warmup_steps=10",
    "evaluation.every=130",
    "evaluation.batch_size=8",
    "checkpoint.every=130",
    "log.every=130",
)


def flags(place, workdir, *more, kind="conll"):
    files = [f"data.{split}={place}/{split}.{kind}" for split in ("train", "validation", "test")]
    return [f"--config.{each}" for each in (*SETTINGS, *files, f"workdir={workdir}", *more)]


def test_a_tiny_longformer_learns_who_is_meant_and_writes_what_the_scorer_reads(place, tmp_path, monkeypatch, capsys):
    def run(*more):
        recipe = f"--config={ROOT}/configs/coreference.py:tiny"
        monkeypatch.setattr(sys, "argv", ["train.py", recipe, *flags(place, tmp_path / "run", *more)])
        train.main(sys.argv)

    run()
    assert "[1 " in capsys.readouterr().out  # a sample with its clusters
    run("mode=evaluate", "evaluation.split=test")
    result = json.loads((tmp_path / "run/result_test.json").read_text())
    base = result["baseline"]
    print(f"conll_f1 {result['conll_f1']:.1f}, {base['name']}: {base['conll_f1']:.1f}")
    assert base["name"] == "the same words are the same thing"
    assert 30 < base["conll_f1"] < 80
    assert result["conll_f1"] > 95
    run("mode=predict")
    lines = read_lines(tmp_path / "run/predictions.jsonl")
    assert lines[3]["doc_key"] == "made/3_0"
    assert lines[3]["texts"][0][0] in HER + HIM
    told = documents_of(read_records(tmp_path / "run/predictions.conll"), text="sentences", labelled=True)
    gold = documents_of(read_records(place / "test.conll"), text="sentences", labelled=True)
    again = scores((wanted(one), wanted(other)) for one, other in zip(told, gold, strict=True))
    assert again["conll_f1"] == pytest.approx(result["conll_f1"])
    monkeypatch.setattr(sys, "stdin", io.StringIO("Eve met Tom . She sang . He ran .\n"))
    capsys.readouterr()
    run("mode=talk")
    assert capsys.readouterr().out.splitlines()[-1] == "[1 Eve] met [2 Tom] . [1 She] sang . [2 He] ran ."


def task_of(place, kind="conll", **keys) -> Coreference:
    given = {f"data.{split}": f"{place}/{split}.{kind}" for split in ("train", "validation", "test")}
    given |= {"data.text": "sentences", "data.global_tokens": "none", "evaluation.batch_size": 8} | keys
    tokenizer = Tokenizer.train(
        "wordpiece", ["ann eve mia bob tom max met she he sang slept ran . "] * 9, vocab_size=150
    )
    return Coreference(config_of(place, "coreference", **given), tokenizer, place)


def perfect(task, split):
    """An answer that knows the clusters of the split: what graded says of it must be 100."""

    def answer(batch):
        rows = batch["labels"]
        found = {name: np.zeros((len(rows), 40), np.int32) for name in ("first_tokens", "last_tokens", "antecedents")}
        for row, labels in enumerate(rows):
            last = {}
            for place, (first, more) in enumerate(np.argwhere(labels)):
                found["first_tokens"][row, place] = first
                found["last_tokens"][row, place] = first + more
                found["antecedents"][row, place] = last.get(labels[first, more], 0)
                last[labels[first, more]] = 1 + place
        return found

    return answer


@pytest.mark.parametrize("kind", ["conll", "jsonl"])
def test_an_answer_that_is_right_has_100_and_one_that_links_nothing_0(place, kind):
    task = task_of(place, kind)
    assert set(task.graded(perfect(task, "test"), "test").values()) == {100.0}

    def nothing(batch):
        shape = (len(batch["input_ids"]), 3)
        return dict.fromkeys(("first_tokens", "last_tokens", "antecedents"), np.zeros(shape, np.int32))

    assert set(task.graded(nothing, "test").values()) == {0.0}


def test_a_document_in_several_rows_keeps_its_clusters_apart_and_some_batches_score_whole_documents(place):
    task = task_of(place, **{"data.length": 10})
    told = task.graded(perfect(task, "test"), "test")
    assert told["mention_f1"] < 100
    assert task.examples("test").split == 25
    few = task_of(place, **{"data.length": 10, "evaluation.batches": 1})
    rows, whole = few.examples("test").rows, few.answered_rows(perfect(few, "test"), "test")
    seen = [document for document, _ in linked(few.examples("test"), whole)]
    asked = [row.document for row in rows[:8]]  # one batch; its last document may go on after it
    assert seen == [n for n in dict.fromkeys(asked) if asked.count(n) == sum(row.document == n for row in rows)]
    assert 0 < len(seen) < len(few.examples("test").documents)


def test_columns_and_json_lines_are_one(place):
    assert task_of(place).identity == task_of(place, "jsonl").identity


def test_the_rule_knows_words_that_are_mostly_mentions():
    def document(sentences, clusters):
        return documents_of(
            [Record({"sentences": sentences, "clusters": clusters}, "f:1")], text="sentences", labelled=True
        )[0]

    seen = document([["New", "York", "is", "big", ".", "big", "york", "is"]], [[[0, 1], [6, 6]], [[3, 3], [2, 2]]])
    rule = SameWords.learned([seen])
    assert rule.known == {("new", "york"), ("york",), ("big",), ("is",)}
    asked = document([["new", "york"], ["NEW", "York", "York", "york"]], [])
    assert rule(asked) == [frozenset({(0, 1), (2, 3)}), frozenset({(4, 4), (5, 5)})]
    assert bracketed(asked, [[(0, 1), (2, 3)], [(3, 3), (4, 4)]]) == "[1 new york] [1 NEW [2 York]] [2 York] york"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"masking.inputs": 0.1}, "leave it 0 for coreference"),
        ({"mode": "export"}, "cannot be exported"),
        ({"data.global_tokens": "question"}, "is not one of none, first"),
    ],
)
def test_a_config_that_means_nothing_is_refused(place, keys, message):
    with pytest.raises(InputError, match=message):
        task_of(place, **keys)
