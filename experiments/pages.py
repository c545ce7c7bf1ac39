"""Pages whose tables are made from what was measured: a number in such a table cannot be typed in.

A page holds `<!-- KIND:NAME key=value ... -->`, the table, and `<!-- end -->`; all between the two is generated. Kinds:

- `ledger:STUDY`: the records of a study; `key=value` keeps those whose field has that value (`ledger:all`: all)
- the other folders here, as `speed:NAME`: made from
  experiments/KIND/results/NAME.json
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.attention import page as attention_page
from experiments.characters import page as characters_page
from experiments.costs import page as costs_page
from experiments.decoding import page as decoding_page
from experiments.families import page as families_page
from experiments.faults import page as faults_page
from experiments.loading import page as loading_page
from experiments.long_range import page as long_range_page
from experiments.machine import ROOT
from experiments.record import Record, read_records
from experiments.sizes import page as sizes_page
from experiments.speed import page as speed_page
from experiments.table import records_table
from experiments.tokenizers import page as tokenizers_page

BLOCK = re.compile(r"^(<!-- (\w+):([\w.-]+)((?: [\w]+=[^\s>]+)*) -->\n)(.*?)(^<!-- end -->)", re.DOTALL | re.MULTILINE)
START = re.compile(r"^<!-- \w+:", re.MULTILINE)
EMPTY = "Nothing has been measured yet.\n"


def page_files(root: Path = ROOT) -> list[Path]:
    """The pages that may hold generated tables: the README and those of the studies."""
    return [path for path in (root / "README.md", *sorted((root / "experiments").rglob("*.md"))) if path.exists()]


def regenerated(page: Path, *, root: Path = ROOT) -> str:
    """The page's text with every marked table made anew.

    Raises:
      InputError: a marker of no known kind or study, one without its end, or a file of results that is malformed.
    """
    text = page.read_text(encoding="utf-8")

    def block(match: re.Match) -> str:
        before, kind, name, choice, _, after = match.groups()
        where = dict(pair.split("=", 1) for pair in choice.split())
        if kind == "ledger":
            body = _ledger(name, where, root, page)
        elif kind in RESULTS:
            body = _results(kind, name, root, page)
        else:
            raise InputError(
                f"{page}: the marker {before.strip()} is of no known kind; use one of ledger, {', '.join(RESULTS)}"
            )
        return f"{before}\n{body}\n{after}"

    fresh, found = BLOCK.subn(block, text)
    if found != len(START.findall(text)):
        raise InputError(
            f"{page}: a generated table has no <!-- end --> or a malformed marker; see experiments/pages.py"
        )
    return fresh


def _ledger(study: str, where: dict[str, str], root: Path, page: Path) -> str:
    if study != "all" and not (root / "experiments" / study).is_dir():
        raise InputError(f"{page}: there is no study experiments/{study}")
    if unknown := where.keys() - Record.__dataclass_fields__.keys():
        raise InputError(f"{page}: a record has no field {', '.join(sorted(unknown))}")
    chosen = [
        record
        for record in read_records(root / "experiments")
        if study in ("all", record.study) and all(str(getattr(record, key)) == value for key, value in where.items())
    ]
    return records_table(chosen) if chosen else EMPTY


def _results(kind: str, name: str, root: Path, page: Path) -> str:
    if name not in RESULTS[kind]:
        raise InputError(f"{page}: there is no table {kind}:{name}; there is {', '.join(RESULTS[kind])}")
    path = root / "experiments" / kind / "results" / f"{name}.json"
    if not path.exists():
        return EMPTY
    try:
        return RESULTS[kind][name](json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is not what its script writes ({error!r}); run the script again") from error


RESULTS: dict[str, dict[str, Callable[[Any], str]]] = {
    "attention": attention_page.TABLES,
    "characters": characters_page.TABLES,
    "costs": costs_page.TABLES,
    "faults": faults_page.TABLES,
    "speed": speed_page.TABLES,
    "sizes": sizes_page.TABLES,
    "tokenizers": tokenizers_page.TABLES,
    "loading": loading_page.TABLES,
    "families": families_page.TABLES,
    "decoding": decoding_page.TABLES,
    "long_range": long_range_page.TABLES,
}
