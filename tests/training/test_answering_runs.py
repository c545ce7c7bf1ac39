"""Questions through train.py: learnt, graded, answered into the official files, and answered to a person."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from tasks.question_answering import QuestionAnswering
from tests.training.conftest import ROOT, read_lines
from training.notice import STATUS, Notice
from training.restore import stored_scores

NAMES = ("bam", "dol", "fen", "gir", "kus", "lat")
FOOD = ("nuts", "fish", "corn", "rice", "meat", "figs")
SETTINGS = ("train.steps=200", "optimizer.learning_rate=1e-2", "evaluation.every=200", "checkpoint.every=200")


def fable(rng: np.random.Generator, number: int, eaters: int) -> dict:
    """Who eats what, once each; one in four questions is about somebody who eats nothing."""
    names, food = rng.permutation(NAMES), rng.permutation(FOOD)
    context = " ".join(f"{who} eats {what} ." for who, what in zip(names[:eaters], food, strict=False))
    at = int(rng.integers(0, eaters))
    question = {"id": f"q{number}", "question": f"{names[at]} ?", "is_impossible": bool(rng.random() < 0.25)}
    question["answers"] = [{"text": food[at], "answer_start": context.index(food[at])}]
    if question["is_impossible"]:
        question |= {"question": f"{names[-1]} ?", "answers": []}
    return {"paragraphs": [{"context": context, "qas": [question]}]}


@pytest.fixture(scope="module")
def asked(corpus) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 400), ("validation", 40), ("test", 30)):
        articles = [fable(rng, number, 5 if split == "test" else 4) for number in range(count)]
        (corpus / f"asked_{split}.json").write_text(json.dumps({"version": "v2.0", "data": articles}))
    return corpus


@pytest.fixture(scope="module")
def trained(tmp_path_factory, asked, run) -> Path:
    workdir = tmp_path_factory.mktemp("reader") / "run"
    run(workdir, *SETTINGS, recipe="tiny_reader.py")
    return workdir


def test_a_tiny_reader_beats_every_trivial_answer(trained):
    result = json.loads((trained / "result_validation.json").read_text())
    print(
        f"F1 {result['f1']:.1f}, {result['baseline']['name']} {result['baseline']['f1']:.1f}, {result['accuracy']:.2f}"
    )
    assert result["f1"] > result["baseline"]["f1"] + 20


def test_a_notice_while_answers_are_graded_leaves_the_scores_to_the_next_start(asked, tmp_path, run, monkeypatch):
    begun, graded = [], QuestionAnswering.graded
    flags = ("train.steps=2", "evaluation.every=2", "checkpoint.every=2", "optimizer.warmup_steps=1")

    def begin(self, answer, split):
        begun.append(split)
        return graded(self, answer, split)

    with monkeypatch.context() as patch:
        patch.setattr(QuestionAnswering, "graded", begin)
        patch.setattr(Notice, "interrupts", lambda self: bool(begun))
        with pytest.raises(SystemExit) as left:
            run(tmp_path / "run", *flags, recipe="tiny_reader.py")
    assert (left.value.code, begun) == (STATUS, ["validation"])
    assert stored_scores(tmp_path / "run" / "checkpoints") == {2: {}}
    run(tmp_path / "run", *flags, recipe="tiny_reader.py")
    assert "f1" in stored_scores(tmp_path / "run" / "checkpoints")[2]


def test_the_threshold_of_the_validation_split_serves_the_test_split(trained, run, capsys):
    run(trained, *SETTINGS, "mode=evaluate", recipe="tiny_reader.py")
    validation = json.loads((trained / "result_validation.json").read_text())
    run(trained, *SETTINGS, "mode=evaluate", "evaluation.split=test", recipe="tiny_reader.py")
    assert "the threshold of no answer is looked for on the validation split" in capsys.readouterr().out
    test = json.loads((trained / "result_test.json").read_text())
    assert test["no_answer_threshold"] == validation["no_answer_threshold"]
    assert {"has_answer_f1", "no_answer_f1", "exact_match"} <= set(test)
    given = ("mode=evaluate", "evaluation.split=test", "prediction.no_answer_threshold=0.0")
    run(trained, *SETTINGS, *given, recipe="tiny_reader.py")
    silent = json.loads((trained / "result_test.json").read_text())
    assert (silent["has_answer_f1"], silent["no_answer_f1"]) == (0.0, 100.0)


def test_predictions_come_with_the_official_files(trained, asked, run):
    run(trained, *SETTINGS, "mode=predict", recipe="tiny_reader.py")
    lines = read_lines(trained / "predictions.jsonl")
    contexts = {}
    for article in json.loads((asked / "asked_test.json").read_text())["data"]:
        (paragraph,) = article["paragraphs"]
        contexts[paragraph["qas"][0]["id"]] = paragraph["context"]
    assert [line["id"] for line in lines] == list(contexts)
    official = json.loads((trained / "predictions.json").read_text())
    chances = json.loads((trained / "predictions.na_probs.json").read_text())
    for line in lines:
        assert official[line["id"]] == line["answer"]
        assert chances[line["id"]] == line["no_answer_probability"]
        if line["span"]:
            start, end = line["span"]
            assert contexts[line["id"]][start:end] == line["answer"] == line["candidates"][0]["answer"]
        else:
            assert line["answer"] == ""
    assert any(line["span"] for line in lines)


def test_a_person_is_answered_line_by_line(trained, tmp_path, run, capsys, monkeypatch):
    (tmp_path / "fable.txt").write_text("bam eats nuts . dol eats fish . fen eats corn . gir eats rice .")
    typed = "dol ?\n\nfen ?\nfen ?\tlat eats figs . fen eats meat . bam eats nuts . dol eats corn .\nwhy\t \n"
    written = b"dol \xff?\n" + typed.encode()  # whose first line is no UTF-8
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written), encoding="utf-8"))
    given = ("mode=talk", f"prediction.document={tmp_path}/fable.txt", "prediction.no_answer_threshold=1.0")
    run(trained, *SETTINGS, *given, recipe="tiny_reader.py")
    logging.getLogger("ops").info("which way attention goes")
    told = capsys.readouterr()
    assert "which way attention goes" in told.err
    replies = told.out.splitlines()  # and nothing else, that a program may read them
    assert [reply.split(" (")[0] for reply in replies] == ["fish", "corn", "meat"]
    assert "characters 25 to 29" in replies[0]
    assert "the line is not UTF-8 text" in told.err
    assert "write a question, a tab and its document" in told.err
    assert "3 replies, median" in told.err


@pytest.mark.slow
def test_a_longformer_reads_whole_documents_on_several_devices(tmp_path, asked, arguments):
    overrides = ("model.name=longformer", "model.max_global_tokens=9", "data.global_tokens=question")
    argv = arguments(tmp_path / "run", *overrides, "train.steps=2", "optimizer.warmup_steps=1", recipe="tiny_reader.py")
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu", "PATH": ""}
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result_validation.json").read_text())
    assert np.isfinite(result["loss"])


def test_a_misplaced_answer_is_refused_before_training_by_file_and_id(tmp_path, asked, run):
    articles = [fable(np.random.default_rng(1), 7, 4)]
    question = articles[0]["paragraphs"][0]["qas"][0]
    question["answers"][0]["answer_start"] += 1
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"data": articles}))
    with pytest.raises(InputError, match=r"bad.json: question q7: the answer .* does not stand at character"):
        run(tmp_path / "run", f"data.train={path}", recipe="tiny_reader.py")
