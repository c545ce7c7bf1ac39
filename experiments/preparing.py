"""What the scripts share that turn downloaded data sets into local files."""

import argparse
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from errors import InputError, told_status


def present(source: Path, names: Iterable[str]) -> list[str]:
    """Which of the data sets `source` holds. Raises InputError if none."""
    found = [name for name in names if (source / name).is_dir()]
    if not found:
        raise InputError(f"{source} holds none of {', '.join(names)}; give --source the directory that does")
    return found


def gzip_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a gzipped text with their numbers from 1, without their ends; blank lines are passed over."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; --source should hold {path.parent.name}/{path.name}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{number + 1}: is not UTF-8 ({error.reason}); fetch the file again") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the gzip data is cut short or damaged ({error}); fetch the file again") from error


def command(
    prepare: Callable[[Path, Path], Iterable[Any]], *, description: str, arguments: list[str] | None = None
) -> int:
    """Prints what `prepare(source, out)` says it wrote, both from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--source", type=Path, required=True, help="directory that holds the downloaded data sets")
    parser.add_argument("--out", type=Path, default=Path("runs/data"), help="directory to write (default: runs/data)")
    given = parser.parse_args(arguments)

    def run() -> int:
        for line in prepare(given.source, given.out):
            print(line)
        return 0

    return told_status(run)
