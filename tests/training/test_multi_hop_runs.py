"""Answers with the sentences that support them, from made-up documents of two paragraphs, through train.py."""

import json
import sys

import numpy as np
import pytest

import train
from data.tokenizer import Tokenizer
from errors import InputError
from tasks.multi_hop import MultiHop
from tests.tasks.files import config_of
from tests.training.conftest import ROOT, read_lines

NAMES, CITIES, TRADES = ("Ann", "Bob", "Cy", "Dee"), ("Lima", "Oslo", "Rome"), ("a painter", "a baker", "a sailor")


def asked(dice: np.random.Generator, number: int) -> dict:
    """Who lives where and does what, a sentence each in any order; the question needs the one about where."""
    people = dice.permutation(NAMES)[:2]
    texts = [(who, f"{who} lives in {dice.choice(CITIES)}.") for who in people]
    texts += [(who, f"{who} is {dice.choice(TRADES)}.") for who in people]
    document, sentences, answer = "", [], None
    wanted = str(dice.choice(people))
    for n in dice.permutation(len(texts)):
        who, text = texts[n]
        supports = who == wanted and "lives" in text
        if supports:
            city = text.split()[-1][:-1]
            answer = {"text": city, "answer_start": len(document) + text.index(city)}
        place = {"start": len(document), "end": len(document) + len(text)}
        sentences.append(place | {"name": [str(who), int(n)], "supports": bool(supports)})
        document += text + " "
    question = {"id": f"q{number}", "question": f"Where does {wanted} live?", "answers": [answer]}
    return {"context": document, "qas": [question | {"sentences": sentences}]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder, dice = tmp_path_factory.mktemp("hops"), np.random.default_rng(0)
    for split, count in (("train", 400), ("validation", 20), ("test", 40)):
        articles = [{"paragraphs": [asked(dice, number)]} for number in range(count)]
        (folder / f"{split}.json").write_text(json.dumps({"data": articles}))
    return folder


SETTINGS = (
    "train.steps=130",
    "train.batch_size=32",
    "model.width=48",
    "model.depth=2",
    "model.heads=2",
    "model.mlp_width=96",
    "model.windows=(16,)",
    "model.dropout_rate=0.0",
    "data.question_length=8",
    "data.stride=8",
    "data.buckets=()",
    "tokenizer.vocab_size=300",
    "optimizer.learning_rate=5e-3",
    "optimizer.warmup_steps=20",
    "evaluation.every=130",
    "evaluation.batch_size=20",
    "checkpoint.every=130",
    "log.every=130",
)


@pytest.fixture(scope="module")
def trained(place, tmp_path_factory):
    """`ask(*more)` runs the same command with more keys; the net is trained."""
    workdir = tmp_path_factory.mktemp("run")
    files = [f"data.{split}={place}/{split}.json" for split in ("train", "validation", "test")]

    def ask(*more):
        flags = [f"--config.{each}" for each in (*SETTINGS, *files, f"workdir={workdir}", *more)]
        recipe = f"--config={ROOT}/configs/question_answering.py:tiny,whole=64,overlap=True,supports=True"
        before, sys.argv = sys.argv, ["train.py", recipe, *flags]
        try:
            train.main(sys.argv)
        finally:
            sys.argv = before

    ask()
    return workdir, ask


def test_a_tiny_longformer_tells_the_answer_and_the_sentence(trained):
    workdir, ask = trained
    ask("mode=evaluate", "evaluation.split=test")
    result = json.loads((workdir / "result_test.json").read_text())
    print({name: round(result[name], 1) for name in ("f1", "support_f1", "joint_f1", "support_accuracy")})
    print(result["baseline"])
    assert result["baseline"]["support_f1"] == pytest.approx(40)  # one of four sentences: precision 1/4, recall 1
    assert result["joint_f1"] > 90
    assert result["support_accuracy"] > 0.95


def test_what_is_predicted_is_what_the_official_script_reads(trained, place):
    workdir, ask = trained
    ask("mode=predict")
    lines = read_lines(workdir / "predictions.jsonl")
    official = json.loads((workdir / "predictions.hotpot.json").read_text())
    assert official["answer"] == {line["id"]: line["answer"] for line in lines}
    assert official["sp"] == {line["id"]: line["supports"] for line in lines}
    gold = json.loads((place / "test.json").read_text())["data"]
    right = [
        [each["name"] for each in article["paragraphs"][0]["qas"][0]["sentences"] if each["supports"]]
        for article in gold
    ]
    assert np.mean([line["supports"] == names for line, names in zip(lines, right, strict=True)]) > 0.8


def task_of(place, **keys) -> MultiHop:
    given = {f"data.{split}": f"{place}/{split}.json" for split in ("train", "validation", "test")}
    given |= {"data.text": "context", "data.text_pair": "question", "data.question_length": 8, "data.stride": 4}
    given |= {"data.length": 24, "data.global_tokens": "none", "evaluation.batch_size": 8} | keys
    texts = [" ".join((*NAMES, *CITIES, *TRADES, "Where does live? lives in is."))] * 9
    return MultiHop(config_of(place, "multi_hop", **given), Tokenizer.train("wordpiece", texts, vocab_size=300), place)


def test_each_sentence_is_looked_at_in_one_window_where_it_begins(place):
    task = task_of(place)
    examples = task.examples("test")
    assert len(examples) > len(examples.questions)  # in windows
    seen = {}
    for index in range(len(examples)):
        row, window = examples[index], examples.windows[index]
        numbers, places = examples.looked_at(window)
        assert np.flatnonzero(row["sentence_starts"]).tolist() == places
        for number, at in zip(numbers, places, strict=True):
            sentence = examples.sentences[window.question][number]
            assert (window.question, number) not in seen
            seen[window.question, number] = True
            word = examples.questions[window.question].document[slice(*sentence.place)].split()[0].lower()
            assert task.tokenizer.token(int(row["input_ids"][at])) == word
            assert row["supports"][at] == sentence.supports
    assert len(seen) == 4 * len(examples.questions)


def test_windows_of_a_question_are_put_together(place):
    """An answer that knows what supports: everything is right, however the windows lie."""
    task = task_of(place)

    def answer(batch):
        scores = np.where(batch["labels"][:, :1] > 0, 20.0, -1e30).astype(np.float32)
        found = {"scores": scores, "starts": batch["labels"][:, :1], "ends": batch["labels"][:, 1:]}
        return found | {"totals": scores[:, 0], "supports": batch["supports"] * 0.9}

    told = task.graded(answer, "test")
    print(told)
    assert all(told[name] == pytest.approx(100) for name in task.graded_names)


def test_identity_sees_what_supports(place, tmp_path):
    first = task_of(place).identity
    for split in ("train", "validation", "test"):
        text = (place / f"{split}.json").read_text()
        (tmp_path / f"{split}.json").write_text(text)
    assert task_of(tmp_path).identity == first
    (tmp_path / "train.json").write_text(
        (place / "train.json").read_text().replace('"supports": true', '"supports": false', 1)
    )
    assert task_of(tmp_path).identity != first


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (None, "question q0: has no list of 'sentences'"),
        ([], "question q0: has no list of 'sentences'"),
        ([{"start": 0, "end": 900, "supports": True}], "question q0: a sentence should be a start and an end in the"),
        ([{"start": 0, "end": 4}], "question q0: a sentence should be"),
        (["Ann."], "question q0: a sentence should be"),
    ],
)
def test_sentences_that_are_none_are_named_by_their_question(place, tmp_path, sentences, message):
    made = asked(np.random.default_rng(0), 0)
    made["qas"][0] |= {"sentences": sentences}
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps({"data": [{"paragraphs": [made]}]}))
    with pytest.raises(InputError, match=message):
        task_of(tmp_path).examples("train")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prediction.support_threshold": 1.5}, r"prediction.support_threshold=1.5 is not in \[0, 1\)"),
        ({"mode": "export"}, "a run of multi_hop cannot be exported"),
        ({"masking.inputs": 0.1}, "leave it 0 for multi_hop"),
    ],
)
def test_a_config_that_means_nothing_is_refused(place, keys, message):
    with pytest.raises(InputError, match=message):
        task_of(place, **keys)
