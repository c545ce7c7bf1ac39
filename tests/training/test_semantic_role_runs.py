"""train.py learns the roles of a made-up language, finds its predicates in plain text, and refuses what is broken."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.records import read_records
from errors import InputError
from metrics.srl import srl_counts
from tests.training.conftest import ROOT, WORDS, read_lines

NOUNS, VERBS, ADVERBS = WORDS[:12], WORDS[20:28], WORDS[40:46]
RECIPE = "tiny_roles.py"


def made(rng: np.random.Generator, clauses: int) -> str:
    """Clauses of adverb, subject, verb and object, as columns; each verb has a column of its own."""
    rows: list[list[str]] = []
    for number in range(clauses):
        place = len(rows)
        words = [*rng.choice(ADVERBS, rng.integers(0, 2)), "da", rng.choice(NOUNS), rng.choice(VERBS)]
        cells = ["(ARGM-ADV*)"] * (len(words) - 3) + ["(ARG0*", "*)", "(V*)"]
        if rng.random() < 0.7:
            words, cells = [*words, rng.choice(NOUNS)], [*cells, "(ARG1*)"]
        rows += [
            [word, word if cell == "(V*)" else "-"] + ["*"] * clauses for word, cell in zip(words, cells, strict=True)
        ]
        for at, cell in enumerate(cells, place):
            rows[at][2 + number] = cell
    return "\n".join(" ".join(row) for row in [*rows, [".", "-", *["*"] * clauses]]) + "\n\n"


@pytest.fixture(scope="module")
def folder(corpus) -> Path:
    place = corpus / "roles"
    place.mkdir()
    rng = np.random.default_rng(1)
    for split, count in (("train", 200), ("validation", 30)):
        (place / f"{split}.conll").write_text("".join(made(rng, int(rng.integers(1, 4))) for _ in range(count)))
    plain = [" ".join(row.split()[0] for row in made(rng, 2).split("\n") if row) for _ in range(6)]
    (place / "plain.txt").write_text("\n".join(plain) + "\n")
    return place


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory, run) -> Path:
    workdir = tmp_path_factory.mktemp("roles") / "run"
    run(workdir, recipe=RECIPE)
    return workdir


def test_roles_are_learned_far_beyond_the_rule(trained):
    result = json.loads((trained / "result_validation.json").read_text())
    print({name: result[name] for name in ("f1", "predicate_f1", "end_to_end_f1")}, result["baseline"])
    assert result["baseline"]["f1"] < 60
    assert result["f1"] > 90
    assert result["predicate_f1"] > 90
    assert result["end_to_end_f1"] > 85


def test_evaluation_gives_the_scores_that_training_wrote(trained, run):
    before = json.loads((trained / "result_validation.json").read_text())
    run(trained, "mode=evaluate", recipe=RECIPE)
    again = json.loads((trained / "result_validation.json").read_text())
    assert {name: again[name] for name in ("loss", "f1")} == {name: before[name] for name in ("loss", "f1")}


def test_frames_come_out_of_plain_text(trained, folder, run):
    run(trained, "mode=predict", recipe=RECIPE)
    lines = read_lines(trained / "predictions.jsonl")
    texts = (folder / "plain.txt").read_text().splitlines()
    assert [line["text"] for line in lines] == texts
    found = [frame["predicate"]["text"] for line in lines for frame in line["frames"]]
    wanted = [word for text in texts for word in text.split() if word in VERBS]
    assert len(set(found) & set(wanted)) >= 0.8 * len(set(wanted))
    for line in lines:
        for frame in line["frames"]:
            for role in frame["roles"]:
                begin, end = role["characters"]
                assert line["text"][begin:end] == role["text"]


def test_a_person_is_told_the_roles_of_a_line(trained, folder, run, talk):
    run(trained, "mode=predict", recipe=RECIPE)
    lines = [line for line in read_lines(trained / "predictions.jsonl") if line["frames"]][:2]
    out, err = talk(trained, *(line["text"] for line in lines), "da .", recipe=RECIPE)
    frames = [frame for line in lines for frame in line["frames"]]
    *replies, last = out
    assert last == "da ."
    for reply, frame in zip(replies, frames, strict=True):
        assert f"[V {frame['predicate']['text']}]" in reply
        assert all(f"[{role['label']} {role['text']}]" in reply for role in frame["roles"])
    assert err[-1].startswith("3 replies, median")


def test_the_column_file_that_is_written_has_the_score_that_was_told(trained, folder, run):
    run(trained, "mode=predict", "prediction.split=validation", recipe=RECIPE)
    spans = [
        [spans for record in read_records(file) for spans in record.values["spans"]]
        for file in (trained / "predictions.conll", folder / "validation.conll")
    ]
    told = json.loads((trained / "result_validation.json").read_text())
    assert srl_counts(*spans).f1 == told["f1"]
    assert (trained / "predictions.props").exists()


def test_the_labels_are_with_the_run_when_the_training_data_are_gone(trained, folder, run):
    run(trained, "mode=predict", "data.train=gone.conll", recipe=RECIPE)
    assert read_lines(trained / "predictions.jsonl")


def test_a_broken_file_is_one_sentence_and_status_2(tmp_path, folder, arguments):
    broken = tmp_path / "broken.conll"
    broken.write_text((folder / "train.conll").read_text().replace("(V*)", "(V*", 1))
    argv = arguments(tmp_path / "run", f"data.train={broken}", recipe=RECIPE)
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "broken.conll:" in done.stderr


@pytest.mark.slow
def test_roles_start_from_a_masked_language_model_with_or_without_token_types(tmp_path, folder, run, capsys):
    shared = ("model.depth=1", "model.width=16", "tokenizer.vocab_size=300", "train.steps=1")
    shared = (*shared, "optimizer.warmup_steps=0", "evaluation.batches=1")
    net = ("model.name=transformer", "model.norm=pre", "model.positions=rotary", "prediction.blanks=()")
    run(tmp_path / "first", *shared, *net, "model.token_types=0", "train.accumulation=1")
    start = (f"init_from={tmp_path / 'first'}", "evaluation.graded=False", "checkpoint.best=loss")
    table = {0: set(), 12: {"encoder.embeddings.token_type.embedding"}}
    for types, gained in table.items():
        capsys.readouterr()
        run(tmp_path / f"then-{types}", *shared, *start, f"model.token_types={types}", recipe=RECIPE)
        (fresh,) = (line for line in capsys.readouterr().out.splitlines() if "fresh here" in line)
        assert set(fresh.partition(": ")[2].split(", ")) == {"output.kernel", "output.bias"} | gained
    with pytest.raises(InputError, match=r"model\.token_types is 12 there and 3 here"):
        run(tmp_path / "other", *shared, f"init_from={tmp_path / 'then-12'}", "model.token_types=3", recipe=RECIPE)
    with pytest.raises(InputError, match=r"model\.token_types is 0 there and 12 here"):
        run(tmp_path / "asked", *shared, start[0], "mode=evaluate", "model.token_types=12", recipe=RECIPE)
