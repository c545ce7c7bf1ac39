import json
import shutil
from pathlib import Path

import pytest
from work_directories import record

from errors import InputError
from experiments.ledger import main, stale_pages, write_pages
from experiments.machine import ROOT
from experiments.record import Baseline, Device, Published, parse_record, read_records, record_path, write_record

PAGE = "# A study\n\n<!-- ledger:finetuning metric=accuracy -->\nold\n<!-- end -->\n\nA verdict.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    study = tmp_path / "experiments" / "finetuning"
    study.mkdir(parents=True)
    (study / "README.md").write_text(PAGE, encoding="utf-8")
    return tmp_path


def test_every_record_of_the_project_is_valid():
    read_records()


def test_every_page_of_the_project_equals_what_its_records_generate():
    assert stale_pages(ROOT) == [], "run python -m experiments.ledger --write"


def test_a_record_survives_its_file(tmp_path):
    for given in (record(), record(values=(0.8,), seeds=(3,), mean=0.8, deviation=None, published=None)):
        path = write_record(given, tmp_path)
        assert path == record_path(given, tmp_path)
        assert parse_record(path.read_text(encoding="utf-8"), origin="") == given
        assert read_records(tmp_path) == [given]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mean": 0.86}, "are not those of the values"),
        ({"deviation": None}, "are not those of the values"),
        ({"deviation": 0.05}, "are not those of the values"),  # the population's deviation
        ({"seeds": (0, 0)}, "each seed once"),
        ({"seeds": (0,)}, "should pair up"),
        ({"values": (), "seeds": ()}, "should pair up"),
        ({"values": (float("nan"), 0.9)}, "should be finite"),
        ({"commit": "unknown+changes"}, "run from a git checkout"),
        ({"commit": "0123456"}, "should be a full commit"),
        ({"config_sha256": "abc"}, "64 hexadecimal digits"),
        ({"versions": {"python": "3.11"}}, "python and jax"),
        ({"name": "My reviews"}, "name should be lower-case"),
        ({"metric": "rouge L"}, "metric should be letters, digits"),
        ({"command": " "}, "command should not be empty"),
        ({"baseline": None}, "baseline should be"),
        ({"mean": "0.85"}, "mean should be"),
        ({"wall_seconds": 0.0}, "wall_seconds should be above zero"),
        ({"wall_seconds": float("inf")}, "wall_seconds should be above zero"),
        ({"published": Published(value="0.9", source="a paper")}, "published.value should be"),
        ({"published": Published(value=float("nan"), source="a paper")}, "published should be a finite value"),
        ({"published": Published(value=0.9, source=" ")}, "published should be .* and its source"),
        ({"baseline": Baseline(name=None, value=0.5)}, "baseline.name should be"),
        ({"device": Device(cpu="a processor", cores=2.5, devices=("cpu",))}, "device.cores should be"),
        ({"device": Device(cpu="a processor", cores=2, devices="cpu")}, "device.devices should be"),
    ],
)
def test_a_record_that_cannot_be_true_is_refused(changes, told):
    with pytest.raises(InputError, match=told):
        record(**changes)


def test_a_metric_is_called_as_its_scorer_calls_it():
    assert record(metric="rougeL").filename.endswith(".rougeL.json")


def test_a_file_with_a_missing_or_an_unknown_key_is_refused_by_its_name():
    given = json.loads(record().to_json())
    with pytest.raises(InputError, match=r"here\.json: .*'speed'"):
        parse_record(json.dumps(given | {"speed": 1}), origin="here.json")
    del given["baseline"]
    with pytest.raises(InputError, match=r"here\.json: has no key 'baseline'"):
        parse_record(json.dumps(given), origin="here.json")
    with pytest.raises(InputError, match=r"here\.json: "):
        parse_record("{", origin="here.json")
    for changes in ({"device": given["device"] | {"devices": "cpu"}}, {"device": given["device"] | {"gpus": 1}}):
        with pytest.raises(InputError, match=r"here\.json: .*(devices|gpus)"):
            parse_record(json.dumps(json.loads(record().to_json()) | changes), origin="here.json")


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path):
    path = write_record(record(), tmp_path)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match=rf"{path.name}: "):
        read_records(tmp_path)


def test_a_record_under_another_name_is_refused(tmp_path):
    path = write_record(record(), tmp_path)
    shutil.move(path, path.with_name("better.json"))
    with pytest.raises(InputError, match="move it there"):
        read_records(tmp_path)


def test_a_page_quotes_its_records_and_nothing_else(root, capsys):
    write_record(record(), root / "experiments")
    write_record(record(metric="loss"), root / "experiments")  # left out by metric=accuracy
    assert stale_pages(root) == [root / "experiments" / "finetuning" / "README.md"]
    assert main(["--check"], root=root) == 1
    assert write_pages(root) == [root / "experiments" / "finetuning" / "README.md"]
    assert stale_pages(root) == []
    text = (root / "experiments" / "finetuning" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# A study\n")
    assert text.endswith("<!-- end -->\n\nA verdict.\n")
    rows = [line for line in text.splitlines() if line.startswith("| reviews-longformer")]
    assert rows == [
        "| reviews-longformer | longformer | `configs/reviews.py` | test | accuracy | 0.85 ± 0.071 | 2 "
        "| 0.5 (majority class) | 0.957 (Beltagy et al. 2020, table 7) | 1.00 | 0123456 |"
    ]
    assert main(["--check"], root=root) == 0
    page = root / "experiments" / "finetuning" / "README.md"
    page.write_text(f"{text}\n0.86 of all.\n", encoding="utf-8")
    assert main(["--check"], root=root) == 1
    assert "0.86 is in no record" in capsys.readouterr().out
    page.write_text(text, encoding="utf-8")
    write_record(record(values=(0.7, 0.9), mean=0.8, deviation=0.14142135623731), root / "experiments")
    assert main(["--check"], root=root) == 1
    capsys.readouterr()
    assert main([], root=root) == 0
    assert "0.8 ± 0.14" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("<!-- ledger:finetuning -->\n", "has no <!-- end -->"),
        ("<!-- ledger:finetunings -->\n<!-- end -->\n", "there is no study experiments/finetunings"),
        ("<!-- ledger:finetuning size=3 -->\n<!-- end -->\n", "a record has no field size"),
        ("<!-- leger:finetuning -->\n<!-- end -->\n", "is of no known kind"),
        ("<!-- speed:encoders -->\n<!-- end -->\n", "there is no table speed:encoders"),
    ],
)
def test_a_malformed_mark_is_refused(root, page, told, capsys):
    (root / "README.md").write_text(page, encoding="utf-8")
    assert main(["--write"], root=root) == 2
    assert told in capsys.readouterr().err
    assert (root / "README.md").read_text(encoding="utf-8") == page
