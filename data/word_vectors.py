"""Published word vectors: GloVe's and fastText's text files, and fastText's binary with its parts of words.

Only what is asked for is kept: a file may be many times larger than memory.
"""

import gzip
import math
import os
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float

from data.fasttext import MAGIC, FastText
from errors import InputError

MARK = b"\xef\xbb\xbf"  # of byte order, before the first line
LONGEST_LINE = 1 << 20  # bytes; a file without line ends is no such file


@dataclass(frozen=True)
class WordVectors:
    """`vectors` of the words that were asked for and are there; those `from_parts` are made of their n-grams alone."""

    dimension: int
    vectors: dict[str, Float[np.ndarray, " D"]]
    from_parts: frozenset[str] = frozenset()


def read_word_vectors(path: str | os.PathLike, words: Collection[str]) -> WordVectors:
    """The vectors of `words`, float32; of a word that a text file holds twice, the first.

    A text file has on each line a word and its numbers with blanks between, perhaps after a line with their counts
    (GloVe's .txt, fastText's .vec, either gzipped). A word that fastText's binary does not list has the mean vector of
    its n-grams, as there.

    Raises:
      InputError: one sentence with the file, and the line of a text file, for anything that cannot be read.
    """
    path = Path(path)
    if _is_binary(path):
        with FastText.open(path) as model:
            found = {word: vector for word in words if (vector := model.vector(word)) is not None}
            return WordVectors(model.dimension, found, frozenset(word for word in found if word not in model))
    wanted = {word.encode(): word for word in words}
    found, dimension = {}, 0
    for number, line, dimension in _lines(path):
        head = line.partition(b" ")[0]
        if head in wanted and line.count(b" ") == dimension:
            found.setdefault(wanted[head], _numbers(line, dimension, f"{path}:{number}"))
    return WordVectors(dimension, found)


def word_vector_dimension(path: str | os.PathLike) -> int:
    """How many numbers each word has; reads no more than the beginning.

    Raises:
      InputError: as `read_word_vectors`.
    """
    path = Path(path)
    if _is_binary(path):
        with FastText.open(path) as model:
            return model.dimension
    return next(_lines(path))[2]


def _is_binary(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(len(MAGIC)) == MAGIC


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if path.name.endswith(".gz") else open(path, "rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip data is cut short or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _lines(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Number, content and dimension of each line that holds a word; a word may have blanks in it (GloVe 840B)."""
    with _opened(path) as file:
        dimension, number, begun = 0, 0, False
        while line := file.readline(LONGEST_LINE):
            number += 1
            content = line.rstrip(b" \r\n").removeprefix(MARK if number == 1 else b"")
            if len(line) == LONGEST_LINE or b"\0" in line:
                raise InputError(
                    f"{path}:{number}: is no line of a word and numbers; unzip the file, or choose another"
                )
            if number == 1 and (dimension := _header(content)):
                continue
            blanks = content.count(b" ")
            dimension = dimension or blanks
            if blanks < dimension or not blanks:
                raise InputError(
                    f"{path}:{number}: has {blanks} numbers and not {dimension or 'any'}, as a cut file has"
                )
            yield number, content, dimension
            begun = True
        if not begun:
            raise InputError(f"{path}: holds no word; fetch the file again")


def _header(line: bytes) -> int:
    """The dimension that a first line of two whole numbers tells; 0 = it is a word's."""
    parts = line.split()
    return int(parts[1]) if len(parts) == 2 and all(part.isdigit() and len(part) < 10 for part in parts) else 0


def _numbers(line: bytes, dimension: int, origin: str) -> Float[np.ndarray, " D"]:
    try:
        found = [float(part) for part in line.rsplit(b" ", dimension)[1:]]
    except ValueError as error:
        raise InputError(f"{origin}: {error}; after the word there should be {dimension} numbers") from error
    if not all(math.isfinite(number) and abs(number) < 1e30 for number in found):
        raise InputError(f"{origin}: holds a number that is not finite, or is beyond 1e30")
    return np.asarray(found, np.float32)
