"""Texts that say the same in two or more languages, a file for each and a line for each sentence."""

import re
from collections.abc import Sequence
from pathlib import Path

from data.records import Record, read_text
from errors import InputError

_BRACES = re.compile(r"\{([^{}]+,[^{}]+)\}")


def is_parallel(path: str) -> bool:
    """Whether `path` names several files, as `train.{en,de}.gz` does."""
    return bool(_BRACES.search(path))


def read_parallel(path: str, *, fields: Sequence[str] = ()) -> list[Record]:
    r"""One record for each line: `train.{en,de}.gz` gives {"en": ..., "de": ...}, by what stands between the braces.

    A line is what ends in "\n" and nothing else; every line of one file belongs to the line of that number of the
    others, empty ones too.

    Raises:
      InputError: files of unequal numbers of lines, a field that is not between the braces, or a file that cannot be
        read.
    """
    names = [name.strip() for name in _BRACES.search(path)[1].split(",")]
    if missing := [field for field in fields if field not in names]:
        raise InputError(f"{path}: has no field {missing[0]!r}; its fields are {', '.join(map(repr, names))}")
    files = [Path(_BRACES.sub(lambda _, name=name: name, path, count=1)) for name in names]
    lines = [_lines(file) for file in files]
    counts = [len(each) for each in lines]
    if len(set(counts)) > 1:
        told = ", ".join(f"{file} has {count}" for file, count in zip(files, counts, strict=True))
        short = files[counts.index(min(counts))]
        raise InputError(
            f"{short}:{min(counts) + 1}: the files of {path} differ in lines ({told}); each line must have its "
            "counterpart in every file"
        )
    rows = zip(*lines, strict=True)
    return [
        Record(dict(zip(names, row, strict=True)), f"{files[0]}:{number}") for number, row in enumerate(rows, start=1)
    ]


def _lines(file: Path) -> list[str]:
    text = read_text(file)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()  # what follows the last line's end
    if not lines:
        raise InputError(f"{file}: holds no line; remove the file or fill it")
    return lines
