import json
import sys
from pathlib import Path

import pytest

import train
from errors import InputError
from experiments.answering.benchmark import prepare_or_score
from experiments.answering.hotpotqa import FILES, answer_f1, paragraph, prepare, score

ROOT = Path(__file__).resolve().parents[2]
CITIES = ("Lima", "Oslo", "Rome", "Cairo")


def question(n: int, answer: str | None = None) -> dict:
    city = CITIES[n % 4]
    context = [
        ["Ann", ["Ann was a painter.", f" She lived in {city}."]],
        ["Ben", [f"Ben saw {city} once.", " Ben was a painter."]],
    ]
    facts = [["Ann", 1], ["Ben", 1]]
    asked = {"_id": f"5a{n}", "question": "Where did Ann live?", "answer": city if answer is None else answer}
    return asked | {"supporting_facts": facts, "context": context, "type": "bridge", "level": "hard"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hotpotqa")
    for (name, _), count in zip(FILES.items(), (24, 6), strict=True):
        data = [question(n, ("yes", None, "Paris")[n % 3]) for n in range(count)]
        (folder / name).write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize(
    ("answer", "before"),
    [("Lima", "lived in "), ("yes", ""), ("no", "yes "), ("painter", "a ")],
)
def test_answers_stand_in_supporting_sentences_and_yes_and_no_before_them(answer, before):
    made = paragraph(question(0, answer))
    (asked,), document = made["qas"], made["context"]
    assert len(asked["answers"]) == 1
    start = asked["answers"][0]["answer_start"]
    assert document[:start].endswith(before)
    assert document[start:].startswith(answer)
    assert asked["answers"][0]["text"] == answer
    assert document.startswith("yes no\n\nAnn\nAnn was a painter. She lived in Lima.\n\nBen\n")


def test_an_answer_that_no_supporting_sentence_holds_is_taken_where_it_stands():
    (asked,) = paragraph(question(0, "once"))["qas"]
    assert [each["text"] for each in asked["answers"]] == ["once"]
    assert paragraph(question(0, "Paris"))["qas"][0]["answers"] == []


def test_questions_without_a_place_are_left_out_of_what_is_learnt_and_not_of_what_is_asked(source, tmp_path):
    told = prepare(source, tmp_path)
    assert told[0].startswith("train: 24 questions, of which 8 have an answer that stands nowhere")
    counts = {
        name: len(json.loads((tmp_path / f"{name}.json").read_text())["data"]) for name in ("validation", "asked")
    }
    assert counts == {"validation": 4, "asked": 6}


@pytest.mark.parametrize(
    ("answer", "right", "expected"),
    [
        ("the city of Lima", "Lima", 0.5),
        ("Yes.", "yes", 1.0),
        ("yes indeed", "yes", 0.0),
        ("yes", "yes indeed", 0.0),
        ("no answer", "noanswer", 0.0),
        ("Oslo", "Lima", 0.0),
    ],
)
def test_f1_of_an_answer_is_that_of_its_words_but_for_yes_and_no(answer, right, expected):
    assert answer_f1(answer, right) == pytest.approx(expected)


def test_a_question_without_a_prediction_scores_nothing(tmp_path):
    (tmp_path / "dev.json").write_text(json.dumps([question(0), question(1), question(2)]))
    told = [{"id": "5a0", "answer": "Lima"}, {"id": "5a1", "answer": "Oslo city"}]
    found = score(tmp_path / "dev.json", told)
    assert found == {"exact_match": pytest.approx(100 / 3), "f1": pytest.approx(100 * (1 + 2 / 3) / 3)}


def test_a_net_is_trained_asked_and_scored_on_files_of_the_form(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "prepare", str(source), f"--to={tmp_path}"])
    assert prepare_or_score(prepare, score, description="") == 0
    files = {"train": "train", "validation": "validation", "test": "asked"}
    settings = [f"data.{split}={tmp_path}/{name}.json" for split, name in files.items()]
    settings += [f"workdir={tmp_path}/run", "tokenizer.vocab_size=300", "train.steps=4", "optimizer.warmup_steps=1"]
    settings += ["train.batch_size=4", "evaluation.every=4", "checkpoint.every=4", "evaluation.batch_size=4"]
    settings += ["model.windows=(8,)"]
    flags = ["--config=configs/question_answering.py:tiny,whole=256", *(f"--config.{each}" for each in settings)]
    for more in ([], ["--config.mode=predict", "--config.prediction.split=test"]):
        monkeypatch.setattr(sys, "argv", ["train.py", *flags, *more])
        train.main(sys.argv)
    capsys.readouterr()
    asked = source / "hotpot_dev_distractor_v1.json"
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "score", str(asked), f"{tmp_path}/run/predictions.jsonl"])
    assert prepare_or_score(prepare, score, description="") == 0
    assert 0 <= json.loads(capsys.readouterr().out)["f1"] <= 100


def test_other_files_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "dev.json").write_text('[{"_id": "1", "question": "?"}]')
    with pytest.raises(InputError, match=r"dev\.json: does not list objects with _id, question, answer"):
        score(tmp_path / "dev.json", [])
    with pytest.raises(InputError, match="question 5a0: its context is no list"):
        paragraph(question(0) | {"context": ["Ann", "Ben"]})
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "score", str(tmp_path / "dev.json"), str(tmp_path / "none.jsonl")])
    assert prepare_or_score(prepare, score, description="") == 2
    assert "give what mode=predict wrote" in capsys.readouterr().err
