"""Local files into records: .txt, .jsonl, .csv, .tsv, .conll and SQuAD's .json, also gzipped.

Every record is kept or the file is refused.
"""

import csv
import dataclasses
import glob
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.conll import read_conll
from data.conll2012 import is_conll2012, read_conll2012
from data.json_values import json_value
from data.squad import squad_questions
from errors import InputError

DOCUMENTS = ("file", "paragraph", "line")
SUFFIXES = (".txt", ".jsonl", ".csv", ".tsv", ".conll", "_conll", ".json")
# The csv module stops at 131072 characters a field, which a long document exceeds.
LARGEST_FIELD = 1 << 28
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True)
class Record:
    """One example as read; `origin` is "file:line" (line 1 is the first) or, of a question in SQuAD's JSON, "file:
    question id": for messages and for predictions. `classes` are the names that a field's numbers count from 0, where
    its source tells them.
    """

    values: dict[str, Any]
    origin: str
    classes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def get(self, field: str) -> Any:
        """Raises InputError, naming file, line and what there is, where the record has no such field."""
        if field not in self.values:
            has = ", ".join(map(repr, self.values)) or "none"
            raise InputError(f"{self.origin}: has no field {field!r}; its fields are {has}")
        return self.values[field]

    def text(self, field: str) -> str:
        """Likewise where it is no text."""
        value = self.get(field)
        if not isinstance(value, str):
            raise InputError(f"{self.origin}: the field {field!r} is {type(value).__name__}, not text")
        return value

    def texts(self, field: str) -> Iterator[str]:
        """Likewise, or all texts of a field that holds lists of them, and those lists."""
        value = self.get(field)
        if not isinstance(value, list | tuple):
            yield self.text(field)
            return
        for each in value:
            yield from Record({field: each}, self.origin).texts(field)


def read_records(
    path: str | os.PathLike, *, columns: Sequence[str] = (), fields: Sequence[str] = (), documents: str = "file"
) -> list[Record]:
    r"""Read a file, every file in a directory (passing over hidden ones, .json and other kinds), or a glob, in sorted
    order.

    - .txt: {"text": ...}, one record per file, per paragraph (blank lines between) or per line, as `documents` says.
    - .jsonl: one object per line; blank lines are no records.
    - .json: SQuAD's, one record per question (data/squad.py).
    - .csv, .tsv: the first line names the columns, unless `columns` does. A .csv quotes as RFC 4180; a .tsv does not
      quote at all.
    - .conll (or _gold_conll): one record a sentence, its words with their predicates and roles (data/conll.py;
      `columns` as there), or one a document with coreference if it begins with "#begin document" (data/conll2012.py).

    All text is UTF-8, with or without a byte-order mark; "\r\n" is read as "\n". Every record must have `fields`.

    Raises:
      InputError: one sentence with the file and line, for anything that cannot be read in full.
    """
    if documents not in DOCUMENTS:
        raise InputError(f"documents={documents!r} is unknown; choose one of {', '.join(DOCUMENTS)}")
    records: list[Record] = []
    for file in _files(path):
        found = list(_read(file, columns, documents))
        if not found:
            raise InputError(f"{file}: holds no record; remove the file or fill it")
        _refuse_missing(found, fields)
        records += found
    return records


def _files(path: str | os.PathLike) -> list[Path]:
    given = Path(path)
    if given.is_dir():
        # Many a .json beside texts is about them, and no SQuAD.
        found = sorted(path for path in _inside(given) if _kind(path) not in ("", ".json"))
        if not found:
            kinds = ", ".join(suffix for suffix in SUFFIXES if suffix != ".json")
            raise InputError(f"{given}: no {kinds} file (or .gz of one) in this directory; name a .json file itself")
        return found
    if given.exists():
        found = [given]
    elif glob.has_magic(str(path)):
        found = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if _is_file(p))
        if not found:
            raise InputError(f"{path}: no file matches this pattern")
    else:
        raise InputError(f"{path}: no such file or directory")
    for file in found:
        if not _kind(file):
            raise InputError(
                f"{file}: cannot tell what this is; its name should end in {', '.join(SUFFIXES)}, or .gz after that"
            )
    return found


def _inside(folder: Path, *above: Path) -> Iterator[Path]:
    """Every file in a folder and in those inside it, by links too; hidden ones are passed over."""
    above = (*above, folder.resolve())
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and path.resolve() in above:
            raise InputError(f"{path}: is a link to a folder that it lies in; remove it or name the files themselves")
        if path.is_dir():
            yield from _inside(path, *above)
        elif _is_file(path):
            yield path


def _is_file(path: Path) -> bool:
    """Raises InputError for a link to a text that is not there: it would be left out without a word."""
    if path.is_symlink() and not path.exists() and _kind(path):
        raise InputError(f"{path}: is a link to {os.readlink(path)}, which is not there; remove it or put that back")
    return path.is_file()


def _kind(file: Path) -> str:
    name = file.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def _read(file: Path, columns: Sequence[str], documents: str) -> Iterator[Record]:
    text = read_text(file)
    kind = _kind(file)
    if kind == ".txt":
        return _read_txt(file, text, documents)
    if kind == ".jsonl":
        return _read_jsonl(file, text)
    if kind in (".conll", "_conll"):
        found = read_conll2012(file, text) if is_conll2012(text) else read_conll(file, text, columns)
        return (Record(values, origin) for values, origin in found)
    if kind == ".json":
        return _read_squad(file, text)
    return _read_table(file, text, columns, tabs=kind == ".tsv")


def read_text(file: Path) -> str:
    """The whole of a text file, unzipped if its name ends in .gz."""
    try:
        data = file.read_bytes()
        if file.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file}: the gzip data is cut short or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from after the mark.
        at = error.start + 3 * data.startswith(b"\xef\xbb\xbf")
        line = data.count(b"\n", 0, at) + 1
        raise InputError(
            f"{file}:{line}: is not UTF-8 (byte {at} of the file is 0x{data[at]:02x}); convert it, "
            f"for example with: iconv -f {_likely_encoding(data)} -t UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"{file}:{line}: holds a NUL character, so it is not a text file; remove it or convert the file"
        )
    return text.replace("\r\n", "\n")


def _likely_encoding(data: bytes) -> str:
    return "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "ISO-8859-1"


def _read_txt(file: Path, text: str, documents: str) -> Iterator[Record]:
    if documents == "file":
        spans = [(0, len(text))]
    else:
        breaks = [m.span() for m in (_BLANK_LINES if documents == "paragraph" else re.compile("\n")).finditer(text)]
        begins, ends = [0, *(end for _, end in breaks)], [*(begin for begin, _ in breaks), len(text)]
        spans = list(zip(begins, ends, strict=True))
    line, seen = 1, 0
    for begin, end in spans:
        line, seen = line + text.count("\n", seen, begin), begin
        if text[begin:end].strip():
            yield Record({"text": text[begin:end]}, f"{file}:{line}")


def _read_jsonl(file: Path, text: str) -> Iterator[Record]:
    # Not splitlines: it also breaks at characters that JSON strings may hold as they are, such as U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise InputError(
                f"{file}:{number}: is not valid JSON ({reason}); each line should hold one object"
            ) from error
        if not isinstance(value, dict):
            raise InputError(
                f"{file}:{number}: holds a JSON {type(value).__name__}, not an object; write {{...}} on each line"
            )
        if "\\u" in line:
            _refuse_surrogates(value, f"{file}:{number}")
        yield Record(value, f"{file}:{number}")


def _read_squad(file: Path, text: str) -> Iterator[Record]:
    escaped = "\\u" in text
    for values, origin in squad_questions(str(file), text):
        if escaped:
            _refuse_surrogates(values, origin)
        yield Record(values, origin)


def _refuse_surrogates(value: dict[str, Any], origin: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{origin}: holds half of a surrogate pair (a lone \\ud8xx escape), which is no character"
        ) from error


def _read_table(file: Path, text: str, columns: Sequence[str], *, tabs: bool) -> Iterator[Record]:
    names = list(columns)
    for number, row in _rows(file, text, tabs=tabs):
        origin = f"{file}:{number}"
        if not names:
            names = row
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InputError(
                    f"{origin}: the column {twice[0]!r} is named twice; name every column once, or give columns=(...)"
                )
            continue
        if len(row) != len(names):
            raise InputError(f"{origin}: has {len(row)} columns where {len(names)} were expected ({', '.join(names)})")
        yield Record(dict(zip(names, row, strict=True)), origin)


def _rows(file: Path, text: str, *, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    if tabs:
        lines = text.split("\n")
        yield from ((number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip("\r"))
        return
    before = csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 1
    try:
        for row in reader:
            if row:
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{file}:{number}: the record that starts here is not valid CSV ({error})") from error
    finally:
        csv.field_size_limit(before)


def _refuse_missing(records: Sequence[Record], fields: Sequence[str]) -> None:
    for record in records:
        for field in fields:
            record.get(field)
