import gzip
import json
from pathlib import Path

import pytest

from data.questions import read_questions
from data.records import read_records
from errors import InputError
from experiments.answering import attention
from experiments.answering.prepare import main, prepare
from experiments.answering.sweep import SETS, get_sweep
from experiments.finetuning import sweep as finetuning


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def row(sentence: str, number: int, question: str, *answers: str) -> str:
    marked = [answers[0], *(f"{worker}:{answer}" for worker, answer in enumerate(answers[1:]))]
    return "\t".join([sentence, "3 4", "76", str(number), "4", question, *marked])


@pytest.fixture
def qamr(tmp_path) -> Path:
    words = "The whale -LRB- 30 m -RRB- swam ."
    sentences = "".join(f"s{number}\t{words}\n" for number in range(40))
    write(tmp_path / "in/qamr/wiki-sentences.tsv.gz", sentences)
    dev = [row(f"s{number}", 0, "How long?", "3 4", "2 3 4 5", "3 6") for number in range(39)]
    write(tmp_path / "in/qamr/filtered_dev.tsv.gz", "\n".join(dev) + "\n")
    write(tmp_path / "in/qamr/filtered_test.tsv.gz", row("s39", 0, "What swam?", "1", "0 1", "") + "\n")
    return tmp_path


def test_indices_of_words_become_characters_and_broken_answers_are_counted(qamr):
    told = prepare(qamr / "in", qamr / "out")
    questions = read_questions(read_records(qamr / "out/qamr/train.json"), labelled=True).all
    assert questions[0].document == "The whale ( 30 m ) swam ."
    assert questions[0].answer_texts == ("30 m", "( 30 m )", "30 m ) swam")
    assert "of 119 answers in all splits 39 were no run of words" in told[0]
    (test,) = read_questions(read_records(qamr / "out/qamr/test.json"), labelled=True).all
    assert test.answer_texts == ("whale", "The whale")


def test_no_sentence_is_in_two_splits_and_the_texts_are_the_training_splits_alone(qamr):
    prepare(qamr / "in", qamr / "out")
    titles = {}
    for split in ("train", "validation", "test"):
        records = read_records(qamr / f"out/qamr/{split}.json")
        titles[split] = {record.values["title"] for record in records}
    assert len(titles["train"] | titles["validation"]) == 39
    assert not titles["train"] & titles["validation"]
    assert titles["validation"]
    assert titles["test"] == {"s39"}
    assert (
        qamr / "out/answering_text/train.jsonl"
    ).read_text() == ""  # all sentences here are alike: test has them too


def test_squad_keeps_its_splits(tmp_path):
    qas = [{"id": "a", "question": "Q?", "answers": [{"text": "sea", "answer_start": 4}]}]
    for name in ("train", "dev", "test"):
        for version in ("v1.1", "v2.0"):
            articles = [{"title": name, "paragraphs": [{"context": f"The sea, {name}.", "qas": qas}]}]
            write(tmp_path / f"in/squad/squad_{version}_{name}.json.gz", json.dumps({"data": articles}))
    told = prepare(tmp_path / "in", tmp_path / "out")
    assert told[0].endswith("squad1/train.json: 1 questions (0 without an answer) on 1 paragraphs")
    lines = (tmp_path / "out/answering_text/train.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["The sea, train."]


def test_what_is_missing_or_malformed_is_told_in_one_sentence(qamr, capsys):
    with pytest.raises(InputError, match="holds none of qamr, squad"):
        prepare(qamr / "elsewhere", qamr / "out")
    write(qamr / "in/qamr/filtered_test.tsv.gz", row("s39", 0, "What?", "1", "x", "2"))
    with pytest.raises(
        InputError, match=r"filtered_test.tsv.gz:1: an answer should be numbers of the sentence's words"
    ):
        prepare(qamr / "in", qamr / "out")
    write(qamr / "in/qamr/filtered_test.tsv.gz", row("s39", 0, "What?", "99", "1", "2"))
    with pytest.raises(InputError, match=r"filtered_test.tsv.gz:1: an answer should be numbers"):
        prepare(qamr / "in", qamr / "out")
    (qamr / "in/qamr/filtered_test.tsv.gz").unlink()
    assert main([f"--source={qamr}/in", f"--out={qamr}/out"]) == 2
    assert "no such file; --source should hold qamr/filtered_test.tsv.gz" in capsys.readouterr().err


@pytest.mark.parametrize("name", SETS)
def test_every_command_of_the_study_parses_and_starts_from_the_run_of_a_sweep_of_a_kind_of_net_that_it_can_take(
    name, monkeypatch
):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    sweep = get_sweep(name)
    sweep.check()
    start, whole = SETS[name].start, SETS[name].whole
    assert (",whole=" in sweep.recipe) == whole
    sweeps = {other: (get_sweep(other), each.whole) for other, each in SETS.items()}
    for novels in ("pretrained-transformer", "pretrained-further"):
        sweeps[novels] = finetuning.get_sweep(novels), False
    begun = {point.workdir.as_posix(): kind for each, kind in sweeps.values() for point in each.points()}
    for point in sweep.points() if start else ():
        (given,) = [part for part in point.commands[0] if part.startswith("--config.init_from=")]
        assert begun[given.partition("=")[2]] <= whole  # a Longformer may start from a Transformer, not the reverse


def test_the_nets_of_the_attention_sweep_differ_in_global_attention_alone(monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    sweep = attention.get_sweep()
    sweep.check()
    assert [sorted(setting) for setting in sweep.settings] == [["data.global_tokens"]] * 2
    assert len(sweep.points()) == 4
