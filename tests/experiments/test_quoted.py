import json
from pathlib import Path

import pytest

from experiments.machine import ROOT
from experiments.quoted import DECLARED, numbers, quoting_pages, undeclared

PAGE = """# A study of SQuAD 1.1

Right are 33.9% (section 3.1), at a loss of 1.802 nats, in 0.250 GiB and 12.5 ms; 2.4 points better, with jax 0.10.2.
`--rate=0.123` was given, and Python 3.11 or 3.12.

    python train.py --config.rate=0.456

```
0.789
```

<!-- speed:encoders -->
| 1.07 |
<!-- end -->

That is 1.1 times as fast.

## Numbers of no record

- computed from the table (see
  above): 2.4
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    study = tmp_path / "experiments" / "speed"
    for folder in ("records", "results"):
        (study / folder).mkdir(parents=True)
    record = {"values": [0.33851, 0.5], "mean": 1.80249, "seeds": [0], "kept": True, "name": "2.4"}
    (study / "records" / "nets.json").write_text(json.dumps(record), encoding="utf-8")
    raw = {"cases": [{"seconds": [0.01249, 0.0731], "bytes": 2**28, "counts": [7.1]}]}
    (study / "results" / "encoders.json").write_text(json.dumps(raw), encoding="utf-8")
    (study / "README.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "README.md").write_text("# All\n\n2.4 points and 33.9% are known.\n", encoding="utf-8")
    return study / "README.md"


def told(page: Path, *, root: Path) -> list[str]:
    return [sentence.removeprefix(f"{page.relative_to(root)}: ") for sentence in undeclared(page, root=root)]


@pytest.mark.parametrize("quoting", quoting_pages(), ids=lambda path: path.parent.name)
def test_each_number_that_a_page_quotes_is_a_record_or_is_declared(quoting):
    assert undeclared(quoting) == []


def test_the_pages_are_those_of_the_studies_and_the_one_at_the_top():
    parents = [page.parent for page in quoting_pages()]
    assert parents[:3] == [ROOT, ROOT / "experiments", ROOT / "experiments" / "answering"]


def test_records_shares_units_tables_and_declared_numbers_pass_and_code_and_names_are_not_looked_at(page, tmp_path):
    assert told(page, root=tmp_path) == []
    assert list(numbers("`0.1` 0.2 of 0.10.2, 1,024.5 and 0.3.")) == ["0.1", "0.2", "1,024.5", "0.3"]


@pytest.mark.parametrize(
    ("quoted", "changed"), [("33.9%", "33.8%"), ("1.802", "1.803"), ("0.250 GiB", "0.260 GiB"), ("1.1 t", "1.2 t")]
)
def test_a_changed_digit_is_refused(page, tmp_path, quoted, changed):
    page.write_text(PAGE.replace(quoted, changed), encoding="utf-8")
    (sentence,) = told(page, root=tmp_path)
    number = changed.split()[0].removesuffix("%")
    assert sentence == f"{number} is in no record; correct it, or say under `{DECLARED}` whence it is"


def test_a_raw_result_answers_for_no_number_of_two_digits(page, tmp_path):
    page.write_text(PAGE.replace("12.5 ms", "7.1 ms"), encoding="utf-8")
    assert [sentence[:19] for sentence in told(page, root=tmp_path)] == ["7.1 is in no record"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("- of a run: 47.2\n", "47.2 is declared, but quoted nowhere; take it out"),
        ("- of a run: 33.9\n", "33.9 is declared, but it is in the records; take it out"),
        ("\n## What it says\n\nNothing.\n", f"{DECLARED} is not the last section; move it there"),
    ],
)
def test_what_is_declared_in_vain_is_refused(page, tmp_path, more, what):
    page.write_text(PAGE + more, encoding="utf-8")
    assert told(page, root=tmp_path) == [what]


def test_a_number_is_declared_under_an_item_that_says_where_it_comes_from(page, tmp_path):
    page.write_text(PAGE.replace("computed from the table (see\n  above): 2.4", "2.4"), encoding="utf-8")
    assert [sentence[:19] for sentence in told(page, root=tmp_path)] == ["2.4 is in no record"]


def test_the_readme_at_the_top_may_quote_what_a_study_answers_for(page, tmp_path):
    top = tmp_path / "README.md"
    assert told(top, root=tmp_path) == []
    page.write_text("# A study\n", encoding="utf-8")
    assert [sentence[:19] for sentence in told(top, root=tmp_path)] == ["2.4 is in no record"]
