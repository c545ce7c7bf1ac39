"""What the study of short texts makes of the files it is given."""

import gzip
import json
from pathlib import Path

import pytest

from configs import command_line
from errors import InputError
from experiments.classifying import sweep as study
from experiments.classifying.prepare import main, prepare
from tasks.classification import OUTSIDE
from tests.experiments.test_prepare import lines


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def queries(**changes) -> str:
    splits = {name: [[f"{name} a {n}", "ask"] for n in range(3)] for name in ("train", "val", "test")}
    splits |= {f"oos_{name}": [[f"{name} other", "oos"]] for name in ("train", "val", "test")}
    return json.dumps(splits | changes, indent=1)


def test_what_is_out_of_scope_joins_each_split_as_a_class(tmp_path):
    write(tmp_path / "clinc150" / "data_full.json.gz", queries())
    found = {summary.path.stem: summary for summary in prepare(tmp_path, tmp_path / "out")}
    assert {name: len(summary.words) for name, summary in found.items()} == {"train": 4, "validation": 4, "test": 4}
    assert lines(found["validation"].path)[-1] == {"text": "val other", "label": "oos"}


def test_the_script_prints_a_line_for_each_file(tmp_path, capsys):
    write(tmp_path / "clinc150" / "data_full.json.gz", queries())
    assert main([f"--source={tmp_path}", f"--out={tmp_path / 'out'}"]) == 0
    assert [line.split("clinc150/")[1].partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "train.jsonl", "validation.jsonl", "test.jsonl",
    ]  # fmt: skip


def test_cola_is_validated_on_a_tenth_of_its_training_sentences(tmp_path):
    def sentences(name, count):
        return "".join(f"gj04\t{n % 2}\t{'*' * (1 - n % 2)}\t{name} number {n}.\n" for n in range(count))

    for name, count in (("in_domain_train", 40), ("in_domain_dev", 3), ("out_of_domain_dev", 2)):
        write(tmp_path / "cola" / f"{name}.tsv.gz", sentences(name, count))
    found = {summary.path.stem: summary for summary in prepare(tmp_path, tmp_path / "out")}
    assert {name: len(s.words) for name, s in found.items()} == {
        "train": 36, "validation": 4, "test": 3, "test_out_of_domain": 2,
    }  # fmt: skip
    assert lines(found["test"].path)[1] == {"text": "in_domain_dev number 1.", "label": "acceptable"}
    assert all(summary.shared == 0 for summary in found.values())


def test_news_are_divided_by_what_their_digests_say(tmp_path):
    rows = "".join(f'"{n % 4 + 1}","Title {n}","said ""{n}"" today"\n' for n in range(2100))
    write(tmp_path / "ag_news_test" / "test.csv.gz", rows)
    (tmp_path / "ag_news_test" / "classes.txt").write_text("World\nSports\nBusiness\nSci/Tech\n")
    found = {summary.path.stem: summary for summary in prepare(tmp_path, tmp_path / "out")}
    assert {name: len(s.words) for name, s in found.items()} == {"train": 100, "validation": 1000, "test": 1000}
    texts = [line["text"] for summary in found.values() for line in lines(summary.path)]
    assert len(set(texts)) == 2100
    assert 'Title 7. said "7" today' in texts


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("clinc150/data_full.json.gz", "{", "should be an object of .* pairs by split"),
        ("clinc150/data_full.json.gz", queries(oos_val=[]).replace("oos_test", "x"), "'oos_test'"),
        ("clinc150/data_full.json.gz", queries(test=[["a", "b"]]), "number 0 of test: has the label 'b'"),
        ("cola/in_domain_train.tsv.gz", "gj04\t2\t\tNo.\n", ":1: should be source, 0 or 1, mark and sentence"),
        ("cola/in_domain_train.tsv.gz", "gj04\t1\t\t \n", ":1: holds no text"),
        ("ag_news_test/test.csv.gz", '"5","a","b"\n', ":1: should be a class from 1 to 2"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(name, text, message, tmp_path):
    write(tmp_path / name, text)
    (tmp_path / name).with_name("classes.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=message):
        prepare(tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.jsonl"))


@pytest.mark.parametrize("name", study.SETS)
def test_every_command_of_the_study_parses_and_its_scores_are_the_tasks(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    sweep = study.get_sweep(name)
    sweep.check()
    for point in sweep.points():
        config = command_line.parse(["train.py", *point.commands[0]])
        known = {"loss", "accuracy", "f1", "matthews"} | ({*OUTSIDE} if config.data.outside else set())
        if config.evaluation.outside_threshold:
            known |= {f"thresholded_{metric}" for metric in OUTSIDE}
        assert config.checkpoint.best in known
        assert {*study.SETS[name].metrics} <= known
        assert config.init_from != config.workdir
        assert config.mode == ("evaluate" if study.SETS[name].net else "train")
