import json
import re
import sys
from pathlib import Path

import pytest

import train
from errors import InputError
from experiments.answering.benchmark import places, prepare_or_score
from experiments.answering.triviaqa import prepare, questions_of, score, spaced
from metrics.squad import exact_match

ROOT = Path(__file__).resolve().parents[2]
CITIES = ("Lima", "Oslo", "Rome", "Cairo")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Questions with two articles each; the second never names the answer."""
    folder = tmp_path_factory.mktemp("triviaqa")
    (folder / "qa").mkdir()
    (folder / "evidence" / "wikipedia").mkdir(parents=True)
    for split, count in (("train", 24), ("dev", 6)):
        data = []
        for n in range(count):
            city, names = CITIES[n % 4], [f"{split}{n}.txt", f"{split}{n} other.txt"]
            (folder / "evidence" / "wikipedia" / names[0]).write_text(f"He lived in {city} .\n\nIn {city} he died .")
            (folder / "evidence" / "wikipedia" / names[1]).write_text("Nothing is known .")
            answer = {"Value": city, "Aliases": [city, f"city of {city}"], "NormalizedAliases": [city.lower()]}
            pages = [{"Filename": name, "Title": "t", "DocSource": "TagMe"} for name in names]
            data.append({"Question": "Where ?", "QuestionId": f"tc_{n}", "Answer": answer, "EntityPages": pages})
        (folder / "qa" / f"wikipedia-{split}.json").write_text(json.dumps({"Data": data, "Domain": "Wikipedia"}))
    return folder


def test_names_are_found_as_whole_words_in_any_case_and_the_longest_wins():
    text = "The city of LIMA, not Limassol; lima again."
    found = places(text, ["Lima", "city of Lima", "C++"])
    assert [each["text"] for each in found] == ["city of LIMA", "LIMA", "lima"]
    assert all(text[each["answer_start"] :].startswith(each["text"]) for each in found)
    assert places("C++ (or not)", ["C++"]) == [{"text": "C++", "answer_start": 0}]
    assert places(text, []) == []


def test_pairs_that_name_no_answer_are_left_out_of_what_is_learnt_and_not_of_what_is_asked(source, tmp_path):
    told = prepare(source, tmp_path)
    assert re.match("train: 24 questions about 48 articles, of which 24 name no answer", told[0])
    pairs = {
        name: [paragraph for article in json.loads((tmp_path / f"{name}.json").read_text())["data"]
               for paragraph in article["paragraphs"]]
        for name in ("train", "validation", "asked")
    }  # fmt: skip
    assert {name: len(found) for name, found in pairs.items()} == {"train": 24, "validation": 6, "asked": 12}
    assert [len(each["qas"][0]["answers"]) for each in pairs["asked"][:2]] == [2, 0]
    assert pairs["asked"][1]["qas"][0]["id"] == "tc_0--dev0 other.txt"


def test_the_likeliest_answer_of_all_articles_counts_against_all_names(source):
    asked = source / "qa" / "wikipedia-dev.json"

    def line(number, page, probability, text):
        return {"id": f"tc_{number}--{page}", "candidates": [{"answer": text, "probability": probability}]}

    told = [line(0, "a", 0.2, "Oslo"), line(0, "b", 0.9, "the city of Lima"), line(1, "a", 0.5, "Oslo, Norway")]
    told.append({"id": "tc_2--a", "candidates": []})
    found = score(asked, told)
    assert found["exact_match"] == pytest.approx(100 / 6)
    assert found["f1"] == pytest.approx(100 * (1 + 2 / 3) / 6)


@pytest.mark.slow
def test_a_net_is_trained_asked_and_scored_on_files_of_the_form(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["triviaqa", "prepare", str(source), f"--to={tmp_path}"])
    assert prepare_or_score(prepare, score, description="") == 0
    files = {"train": "train", "validation": "validation", "test": "asked"}
    settings = [f"data.{split}={tmp_path}/{name}.json" for split, name in files.items()]
    settings += [
        f"workdir={tmp_path}/run",
        "tokenizer.vocab_size=300",
        "train.steps=4",
        "optimizer.warmup_steps=1",
        "train.batch_size=4",
    ]
    settings += ["evaluation.every=4", "checkpoint.every=4", "evaluation.batch_size=4", "model.windows=(8,)"]
    flags = ["--config=configs/question_answering.py:tiny,whole=256", *(f"--config.{each}" for each in settings)]
    for more in ([], ["--config.mode=predict", "--config.prediction.split=test"]):
        monkeypatch.setattr(sys, "argv", ["train.py", *flags, *more])
        train.main(sys.argv)
    capsys.readouterr()
    dev = source / "qa" / "wikipedia-dev.json"
    monkeypatch.setattr(sys, "argv", ["triviaqa", "score", str(dev), f"{tmp_path}/run/predictions.jsonl"])
    assert prepare_or_score(prepare, score, description="") == 0
    assert 0 <= json.loads(capsys.readouterr().out)["f1"] <= 100


def test_other_files_are_refused(tmp_path, source):
    (tmp_path / "squad.json").write_text('{"data": []}')
    with pytest.raises(InputError, match=r"squad\.json: does not list objects with Question"):
        questions_of(tmp_path / "squad.json")
    with pytest.raises(InputError, match="cannot be read"):
        questions_of(tmp_path / "none.json")
    nameless = [{"QuestionId": "tc_1", "Question": "?", "EntityPages": []}]
    (tmp_path / "nameless.json").write_text(json.dumps({"Data": nameless}))
    with pytest.raises(InputError, match="tc_1 has no answer"):
        score(tmp_path / "nameless.json", [])


@pytest.mark.parametrize(
    ("one", "other"), [("Spider-Man", "spider man"), ("O\u2019Connor", "O'Connor"), ("a_b", "A B")]
)
def test_punctuation_is_a_space_as_in_triviaqas_own_script(one, other):
    assert exact_match(spaced(one), spaced(other)) == 1
    assert exact_match(one, other) == 0  # by SQuAD's rules
