"""Column files of predicates and their roles, as of the CoNLL-2005 shared task: one word a line, sentences apart.

Leading columns tell of the word; then comes one column for each predicate of the sentence, in the order of the
predicates, with its roles in brackets: `(A0*` begins one, `*)` ends it, `(V*)` is one of a single word, `*` is none.
Source: Carreras and Màrquez 2005, section 3.1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from errors import InputError

LAYOUTS = (
    ("document", "sentence", "token", "word", "pos", "lemma", "frame"),  # PropBank's English Web Treebank, words joined
    ("word", "pos", "chunk", "clause", "parse", "entity", "lemma"),  # CoNLL-2005, all columns side by side
    ("word", "lemma"),  # CoNLL-2005: its words and its props
)
"""Leading columns that are known at sight; `data.columns` names any others. Names that are not read may be anything."""

_CELL = re.compile(r"(?:\(([^()*\s]+))?\*(?:([^()*\s]*)(\)))?")
Span = tuple[int, int, str]
"""First word, one past the last word, label."""


def read_conll(file: Any, text: str, columns: Sequence[str] = ()) -> Iterator[tuple[dict[str, Any], str]]:
    """Each sentence with its "file:line": "text" (its words with single spaces), "words", "predicates", "spans", "pos".

    "predicates" are {"index": word, "lemma": ..., "frame": ...} (a frame only where there is such a column); "spans"
    has for each of them a list of (first word, one past the last, label) in order, labels as in the file. Predicates
    are the words whose column "lemma" (or "frame", if that is all there is) is not "-". Without either column there are
    neither predicates nor spans; spans are absent too where predicates have no column of brackets, and "pos" without
    a column of that name. Cells are divided by tabs if the line has one, else by white space. `columns` names the
    leading columns; if it is empty, they are those of `LAYOUTS` that the first sentence fits.

    Raises:
      InputError: with file and line, for another number of columns, brackets that do not close, lie within others or
        hold no role, or a predicate without a role V.
    """
    names: tuple[str, ...] = tuple(columns)
    for first, rows in _sentences(text):
        origin = f"{file}:{first}"
        names = names or _layout(rows, origin)
        _check_names(names, origin)
        yield _sentence(rows, names, f"{file}", first), origin


def conll_text(sentences: Iterable[Mapping[str, Any]], *, columns: Sequence[str] = ("word", "lemma")) -> str:
    """The file that `read_conll` reads as these records, its cells divided by spaces; of `columns` "word", "lemma" and
    "frame" can be written. ("lemma",) alone gives what srl-eval.pl reads.

    A lemma that is unknown is written as its word, and as "_" where that reads as none ("-") or as roles. Spaces inside
    a cell become "_", which that script would take for the next cell.
    """
    blocks = []
    for sentence in sentences:
        words = sentence["words"]
        pairs = zip(sentence["predicates"], sentence["spans"], strict=True)
        pairs = sorted(pairs, key=lambda pair: pair[0]["index"])  # columns of roles stand in the order of the words
        told = {each["index"]: {"frame": "-"} | each | {"lemma": _lemma(each, words)} for each, _ in pairs}
        cells = {name: [str(told[i][name]) if i in told else "-" for i in range(len(words))] for name in _PREDICATE}
        cells["word"] = words
        rows = [["_".join(str(cells[name][i]).split()) for name in columns] for i in range(len(words))]
        for _, spans in pairs:
            for row, cell in zip(rows, brackets(spans, len(words)), strict=True):
                row.append(cell)
        blocks.append("".join(" ".join(row) + "\n" for row in rows) + "\n")
    return "".join(blocks)


def _lemma(predicate: Mapping[str, Any], words: Sequence[str]) -> str:
    lemma = str(predicate.get("lemma", words[predicate["index"]]))
    return "_" if lemma == "-" or _CELL.fullmatch(lemma) else lemma


def brackets(spans: Sequence[Span], length: int) -> list[str]:
    """One cell for each of `length` words; the spans must not overlap."""
    cells, free = ["*"] * length, [True] * length
    for begin, end, label in spans:
        if not begin < end <= length or not all(free[begin:end]):
            raise ValueError(f"the role {label} of the words {begin} to {end} is empty, too long or lies over another")
        free[begin:end] = [False] * (end - begin)
        cells[begin] = f"({label}*"
        cells[end - 1] += ")"
    return cells


_PREDICATE = ("lemma", "frame")


def _sentences(text: str) -> Iterator[tuple[int, list[list[str]]]]:
    """Each sentence's first line, counted from 1, and its cells."""
    rows: list[list[str]] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            rows.append([cell.strip() for cell in line.rstrip("\r").split("\t")] if "\t" in line else line.split())
        elif rows:
            yield number - len(rows), rows
            rows = []


def _layout(rows: Sequence[Sequence[str]], origin: str) -> tuple[str, ...]:
    for names in LAYOUTS:
        if all(len(row) >= len(names) for row in rows) and _fits(names, rows):
            return names
    known = "; ".join(" ".join(names) for names in LAYOUTS)
    raise InputError(
        f"{origin}: the sentence's {len(rows[0])} columns fit none of the known layouts ({known}; then one for each "
        "predicate); name the leading columns in data.columns"
    )


def _fits(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    marks = [row[len(names) - 1] for row in rows]  # "-" but for predicates; a bracket is of a layout with less before
    width = len(names) + sum(mark != "-" for mark in marks)
    numbered = "token" not in names or [row[2] for row in rows] == [str(i) for i in range(len(rows))]
    widths = all(len(row) in (len(names), width) for row in rows)
    roles = all("*" in cell for row in rows for cell in row[len(names) :])
    return numbered and widths and roles and not any(_CELL.fullmatch(mark) for mark in marks)


def _check_names(names: Sequence[str], origin: str) -> None:
    if "word" not in names:
        raise InputError(f"{origin}: data.columns={tuple(names)!r} names no column 'word'")


def _sentence(rows: Sequence[Sequence[str]], names: Sequence[str], file: str, first: int) -> dict[str, Any]:
    lead = len(names)
    for number, row in enumerate(rows, first):
        if len(row) != len(rows[0]) or len(row) < lead or "" in row[:lead]:
            raise InputError(
                f"{file}:{number}: has {len(row)} columns, where the sentence's first line has {len(rows[0])} and "
                f"{' '.join(names)} come first; none of these may be empty"
            )
    column = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    words = column["word"]
    values = {"text": " ".join(words), "words": words} | ({"pos": column["pos"]} if "pos" in column else {})
    mark = next((name for name in _PREDICATE if name in column), None)
    if mark is None:
        if len(rows[0]) > lead:
            raise InputError(
                f"{file}:{first}: roles come without a column 'lemma' or 'frame' that tells whose they are"
            )
        return values
    told = [name for name in _PREDICATE if name in column]
    at = [i for i, cell in enumerate(column[mark]) if cell != "-"]
    values["predicates"] = [{"index": i} | {name: column[name][i] for name in told} for i in at]
    if at and len(rows[0]) == lead:
        return values
    if len(rows[0]) != lead + len(at):
        raise InputError(
            f"{file}:{first}: the sentence has {len(at)} predicates in its column {mark!r} but {len(rows[0]) - lead} "
            "columns of roles"
        )
    values["spans"] = [_spans([row[lead + k] for row in rows], file, first, words[i]) for k, i in enumerate(at)]
    return values


def _spans(cells: Sequence[str], file: str, first: int, predicate: str) -> list[Span]:
    found: list[Span] = []
    begin, label = -1, ""
    for at, cell in enumerate(cells):
        if cell == "*":
            continue
        origin = f"{file}:{first + at}"
        match = _CELL.fullmatch(cell)
        if match is None:
            raise InputError(f"{origin}: {cell!r} is no bracket such as (A0*, *, *) or (A0*); roles may not be nested")
        opened, closed, closes = match.groups()
        if opened:
            if label:
                raise InputError(f"{origin}: the role {opened} begins inside {label}; roles may not be nested")
            begin, label = at, opened
        if closes:
            if not label or closed not in ("", label):
                raise InputError(f"{origin}: {cell!r} ends a role that is not open; {label or 'none'} is")
            found.append((begin, at + 1, label))
            label = ""
    if label:
        raise InputError(f"{file}:{first + begin}: the role {label} that begins here does not end in its sentence")
    if not any(label == "V" for _, _, label in found):
        raise InputError(f"{file}:{first}: the predicate {predicate!r} of the sentence has no role V in its column")
    return found
