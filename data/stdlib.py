"""The default corpus: text that every Python installation holds, its standard library's sources and docs.

Its size and content differ a little between Python versions and distributions, so compare numbers within one
installation.
"""

import hashlib
import io
import os
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path

from data.records import Record
from errors import InputError

SUFFIXES = (".py", ".txt", ".rst", ".html")
# Installed packages are not the standard library; tests are full of data that is meant to be odd.
EXCLUDED = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "_bundled", "lib-dynload"}
)
VALIDATION_SHARE = 20  # one file in 20


@dataclass(frozen=True)
class StdlibCorpus:
    """Documents sorted by relative path, which is their origin; `unreadable` files were not in their encoding."""

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    files: int
    size: int  # bytes, both splits
    unreadable: tuple[str, ...]

    def __str__(self) -> str:
        return f"the Python standard library: {self.files} files, {self.size / 1e6:.1f} MB"


def read_stdlib(*, max_bytes: int | None = None, root: str | os.PathLike | None = None) -> StdlibCorpus:
    """Sources and docs below the running Python's library directory (in a virtual environment, its base's).

    A file's split depends on the sha256 of its relative path alone. `max_bytes` keeps files in the order of that
    digest, each that still fits, so that a smaller corpus is part of a larger one.

    Raises:
      InputError: if the library is not on disk as files, or the cap leaves a split empty.
    """
    root = Path(root or sysconfig.get_path("stdlib"))
    chosen, left = [], float("inf") if max_bytes is None else max_bytes
    for digest, path in sorted((_digest(path, root), path) for path in _paths(root)):
        size = path.stat().st_size
        if 0 < size <= left:
            chosen.append((path.relative_to(root).as_posix(), digest, path))
            left -= size
    splits: dict[bool, list[Record]] = {False: [], True: []}
    unreadable = []
    for name, digest, path in sorted(chosen):
        text = _read(path)
        if text is None:
            unreadable.append(name)
        elif text.strip():
            splits[_is_validation(digest)].append(Record({"text": text}, name))
    if not splits[False] or not splits[True]:
        limit = "" if max_bytes is None else f" within {max_bytes} bytes"
        raise InputError(
            f"{root}: found too few library sources{limit} for both splits; raise the cap or give local files instead"
        )
    size = sum(path.stat().st_size for name, _, path in chosen if name not in unreadable)
    train, validation = tuple(splits[False]), tuple(splits[True])
    return StdlibCorpus(train, validation, len(train) + len(validation), size, tuple(unreadable))


def _paths(root: Path) -> list[Path]:
    found = []
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name not in EXCLUDED and not name.startswith((".", "config-"))]
        found += [Path(directory, name) for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    return [path for path in found if path.is_file()]


def _digest(path: Path, root: Path) -> str:
    return hashlib.sha256(path.relative_to(root).as_posix().encode("utf-8", "surrogateescape")).hexdigest()


def _is_validation(digest: str) -> bool:
    return int(digest[-8:], 16) % VALIDATION_SHARE == 0


def _read(path: Path) -> str | None:
    """The text, or None if it is not in the encoding that it declares (UTF-8 if it declares none)."""
    data = path.read_bytes()
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0] if path.suffix == ".py" else "utf-8-sig"
        return data.decode(encoding).replace("\r\n", "\n")
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None
