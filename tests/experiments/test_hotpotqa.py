import json
import sys
from pathlib import Path

import pytest

import train
from errors import InputError
from experiments.answering.benchmark import prepare_or_score
from experiments.answering.hotpotqa import FILES, paragraph, prepare, score

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


def test_sentences_are_named_as_the_official_files_do_it():
    made = paragraph(question(0))
    (asked,), document = made["qas"], made["context"]
    texts = [document[each["start"] : each["end"]] for each in asked["sentences"]]
    assert texts == ["Ann was a painter.", " She lived in Lima.", "Ben saw Lima once.", " Ben was a painter."]
    assert [each["name"] for each in asked["sentences"]] == [["Ann", 0], ["Ann", 1], ["Ben", 0], ["Ben", 1]]
    assert [each["supports"] for each in asked["sentences"]] == [False, True, False, True]


def test_a_question_without_a_prediction_scores_nothing(tmp_path):
    (tmp_path / "dev.json").write_text(json.dumps([question(0), question(1), question(2)]))
    told = [
        {"id": "5a0", "answer": "Lima", "supports": [["Ann", 1], ["Ben", 1]]},
        {"id": "5a1", "answer": "Oslo city", "supports": [["Ann", 1]]},
    ]
    found = score(tmp_path / "dev.json", told)
    assert found["exact_match"] == found["support_exact_match"] == found["joint_exact_match"] == pytest.approx(100 / 3)
    assert found["f1"] == found["support_f1"] == pytest.approx(100 * (1 + 2 / 3) / 3)
    assert found["joint_f1"] == pytest.approx(100 * (1 + 1 / 2) / 3)  # half of the words, half of the sentences


@pytest.mark.slow
def test_a_net_is_trained_asked_and_scored_on_files_of_the_form(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "prepare", str(source), f"--to={tmp_path}"])
    assert prepare_or_score(prepare, score, description="") == 0
    files = {"train": "train", "validation": "validation", "test": "asked"}
    settings = [f"data.{split}={tmp_path}/{name}.json" for split, name in files.items()]
    settings += [f"workdir={tmp_path}/run", "tokenizer.vocab_size=300", "train.steps=4", "optimizer.warmup_steps=1"]
    settings += ["train.batch_size=4", "evaluation.every=4", "checkpoint.every=4", "evaluation.batch_size=4"]
    settings += ["model.windows=(8,)"]
    flags = [
        "--config=configs/question_answering.py:tiny,whole=256,supports=True",
        *(f"--config.{each}" for each in settings),
    ]
    for more in ([], ["--config.mode=predict", "--config.prediction.split=test"]):
        monkeypatch.setattr(sys, "argv", ["train.py", *flags, *more])
        train.main(sys.argv)
    capsys.readouterr()
    asked = source / "hotpot_dev_distractor_v1.json"
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "score", str(asked), f"{tmp_path}/run/predictions.jsonl"])
    assert prepare_or_score(prepare, score, description="") == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 <= told["joint_f1"] <= told["support_f1"] <= 100
    official = json.loads((tmp_path / "run/predictions.hotpot.json").read_text())
    assert set(official["answer"]) == set(official["sp"]) == {f"5a{n}" for n in range(6)}
    assert all(
        name in (["Ann", 0], ["Ann", 1], ["Ben", 0], ["Ben", 1]) for names in official["sp"].values() for name in names
    )


def test_other_files_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "dev.json").write_text('[{"_id": "1", "question": "?"}]')
    with pytest.raises(InputError, match=r"dev\.json: does not list objects with _id, question, answer"):
        score(tmp_path / "dev.json", [])
    with pytest.raises(InputError, match="question 5a0: its context is no list"):
        paragraph(question(0) | {"context": ["Ann", "Ben"]})
    monkeypatch.setattr(sys, "argv", ["hotpotqa", "score", str(tmp_path / "dev.json"), str(tmp_path / "none.jsonl")])
    assert prepare_or_score(prepare, score, description="") == 2
    assert "give what mode=predict wrote" in capsys.readouterr().err
