"""Files that appear whole or not at all: a kill or a full disk leaves the file that was there."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from errors import InputError

_UNFINISHED = re.compile(r".+\.[0-9a-f]{12}\.new")


def unfinished(path: Path) -> bool:
    """Whether `path` is what a process left that was killed while it wrote a file here."""
    return _UNFINISHED.fullmatch(path.name) is not None


def write_bytes(path: Path, pieces: Iterable[bytes]) -> None:
    """The pieces behind one another; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{uuid4().hex[:12]}.new")  # a process of another host may write the same
    try:
        with open(fresh, "wb") as file:
            file.writelines(pieces)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, [text.encode()])


def write_json(path: Path, value: Any, **form: Any) -> None:
    """`form` is for json.dumps: an indentation of 1 unless it says otherwise."""
    write_text(path, json.dumps(value, **{"indent": 1} | form) + "\n")


def read_json(path: Path, *, remedy: str = "put a copy of it back") -> Any:
    """The value in a JSON file; `remedy` is what a person may do about a damaged one.

    Raises:
      InputError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); {remedy}") from error
