"""Numbers quoted in the prose of pages: each is a record, or the page says where else it comes from.

Of the README at the top and of each study's, all is read but generated tables, code and names that end in a number
(Python 3.11, section 4.1). A decimal number there must be in the records, or be declared under `## Numbers of no
record`. Whole numbers are not looked at: most of them are settings, and lists of them would be read by nobody. A wrong
digit may pass where another record is the same by chance; the fewer numbers a study has, the seldomer.
"""

import json
import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

from experiments.machine import ROOT
from experiments.pages import BLOCK, page_files

NUMBER = re.compile(r"(?<![\w.,])(\d+(?:,\d{3})*\.\d+)(?!\d|[.,]\d)(?:\s?(%|[A-Za-z]+))?")
NAMES = r"[Ss]ections?|Python|JAX|transformers|SQuAD|T5"
NAMED = re.compile(rf"\b(?:{NAMES})\s+\d+(?:\.\d+)+(?:\s(?:and|or|to)\s\d+(?:\.\d+)+)*")
CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|`[^`\n]*(?:\n[^`\n]+)*`", re.DOTALL | re.MULTILINE)
DECLARED = "## Numbers of no record"
ITEM = re.compile(r"^- [^:]{3,}:(.*?)(?=^- |\Z)", re.DOTALL | re.MULTILINE)
RAW_DIGITS = 3  # a number of two is among hundreds of raw timings by chance, whatever it is
SHARE = (1, 100)  # as it is, or a share as a percentage
# By the unit that follows a number: files hold seconds, bytes, counts.
SCALES = dict.fromkeys(("s", "times", "nats", "bits"), (1,)) | {
    "ms": (1, 1e3),
    "MB": (1, 1e-6),
    "GB": (1, 1e-9),
    "MiB": (1, 2**-20),
    "GiB": (1, 2**-30),
    "M": (1, 1e-6),
    "million": (1, 1e-6),
}


def quoting_pages(root: Path = ROOT) -> list[Path]:
    """The README at the top, and the page of each study."""
    return [page for page in page_files(root) if page.name == "README.md"]


def prose(text: str) -> str:
    return NAMED.sub("", CODE.sub("", BLOCK.sub("", text)))


def numbers(text: str) -> dict[str, tuple[float, ...]]:
    """Each decimal number as it is written, with the scales that its unit allows: of "0.5 GiB" 1 and 2**-30."""
    found: dict[str, tuple[float, ...]] = {}
    for written, unit in NUMBER.findall(text):
        found[written] = (*found.get(written, ()), *SCALES.get(unit, SHARE))
    return found


def undeclared(page: Path, *, root: Path = ROOT) -> list[str]:
    """A sentence for each number that is neither in the records nor declared, and for each that is declared in vain."""
    said, _, last = page.read_text(encoding="utf-8").partition(f"\n{DECLARED}\n")
    quoted, declared = numbers(prose(said)), numbers(" ".join(ITEM.findall(prose(last))))
    records, raw = _recorded(page, root)
    recorded = {
        each
        for each, scales in quoted.items()
        if _is_among(records, each, scales) or (_digits(each) >= RAW_DIGITS and _is_among(raw, each, scales))
    }
    known = recorded | declared.keys() | (_quoted_by_studies(root) if page.parent == root else set())
    wrong = dict.fromkeys(quoted.keys() - known, f"is in no record; correct it, or say under `{DECLARED}` whence it is")
    wrong |= dict.fromkeys(declared.keys() - quoted.keys(), "is declared, but quoted nowhere; take it out")
    wrong |= dict.fromkeys(declared.keys() & recorded, "is declared, but it is in the records; take it out")
    if "\n## " in last:
        wrong[DECLARED] = "is not the last section; move it there"
    return [f"{page.relative_to(root)}: {each} {what}" for each, what in sorted(wrong.items())]


def _recorded(page: Path, root: Path) -> tuple[list[float], list[float]]:
    """Numbers of the study's records and of the tables that the ledger computes; and those of its other files, raw."""
    folder = root / "experiments" / ("**" if page.parent == root else page.parent.name)
    files = {name for kind in ("json", "jsonl") for name in glob(f"{folder}/**/*.{kind}", recursive=True)}
    records, raw = [], []
    for path in map(Path, sorted(files)):
        text = path.read_text(encoding="utf-8")
        for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
            (records if path.parent.name == "records" else raw).extend(_leaves(json.loads(part)))
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block.group(2) != "ledger":  # such a table holds what its files do, and hours that nobody quotes
            records += [float(each.replace(",", "")) for each in numbers(CODE.sub("", block.group()))]
    return records, raw


def _leaves(tree: Any) -> Iterator[float]:
    if isinstance(tree, (dict, list)):
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(each)
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield float(tree)


def _digits(written: str) -> int:
    return len(written.replace(".", "").replace(",", "").lstrip("0"))


def _is_among(records: list[float], written: str, scales: tuple[float, ...]) -> bool:
    """Whether a record, rounded to as many places as are written, is this number."""
    number, places = float(written.replace(",", "")), len(written.partition(".")[2])
    half = 0.5 * 10**-places * (1 + 1e-6)  # of the last place, and what floats lose
    return any(abs(record * scale - number) <= half for scale in set(scales) for record in records)


def _quoted_by_studies(root: Path) -> set[str]:
    """What the README at the top may repeat: the studies' pages answer for it."""
    return {each for page in quoting_pages(root)[1:] for each in numbers(prose(page.read_text(encoding="utf-8")))}
