"""fastText's binary models, read where they lie: a word's vector is the mean of its row and its n-grams' rows.

Source: Bojanowski et al. 2017, section 3.2; layout and hash are those of the files that fastText 0.9 writes.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from errors import InputError

MAGIC = struct.pack("<i", 793712314)
VERSIONS = (11, 12)
SUPERVISED = 3  # the kind of model that has no n-grams of characters in version 11
HEAD = struct.Struct("<2i12id")  # magic, version, sizes and settings, the sampling threshold
COUNTS = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned n-grams (-1 = none were)
ENTRY = struct.Struct("<qb")  # after each word and its zero byte: count, kind (0 = word, 1 = label)
MATRIX = struct.Struct("<?2q")  # quantised, rows, columns
LONGEST_WORD = 1 << 16  # bytes
END = "</s>"


@dataclass(frozen=True)
class FastText:
    """An open model; `places` are the rows of its words. Nothing else is held in memory."""

    path: Path
    dimension: int
    places: dict[bytes, int]
    buckets: int
    shortest: int  # characters of an n-gram
    longest: int
    rows: Float[np.ndarray, "R D"]

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["FastText"]:
        """The model for as long as the context lasts.

        Raises:
          InputError: naming the file, where it is cut short, quantised, of another version or not consistent.
        """
        try:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                model = cls._read(data, path)
                try:
                    yield model
                finally:  # the map cannot be closed while an array looks into it
                    object.__setattr__(model, "rows", np.zeros((0, model.dimension), np.float32))
        except struct.error as error:
            raise InputError(f"{path}: ends in the middle of its tables; fetch the file again") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error

    @classmethod
    def _read(cls, data: mmap.mmap, path: Path) -> "FastText":
        _, version, *settings, _ = HEAD.unpack_from(data, 0)
        dimension, kind, buckets, shortest, longest = (settings[n] for n in (0, 7, 8, 9, 10))
        if version not in VERSIONS:
            raise InputError(f"{path}: is of fastText's format {version}; only 11 and 12 can be read")
        if min(dimension, buckets + 1, shortest + 1, longest + 1) < 1:
            raise InputError(f"{path}: says that vectors have {dimension} numbers and n-grams {buckets} rows")
        entries, words, labels, _, pruned = COUNTS.unpack_from(data, HEAD.size)
        if words < 0 or labels < 0 or words + labels != entries:
            raise InputError(f"{path}: says that of {entries} entries {words} are words and {labels} labels")
        places, at = _places(data, HEAD.size + COUNTS.size, entries, words, path)
        if pruned > 0:
            raise InputError(f"{path}: its n-grams were pruned, as in quantised models (.ftz); take the .bin")
        quantised, count, width = MATRIX.unpack_from(data, at)
        if quantised:
            raise InputError(f"{path}: is a quantised model (.ftz); take the .bin")
        if (count, width) != (words + buckets, dimension):
            raise InputError(f"{path}: its table is {count} x {width} and should be {words + buckets} x {dimension}")
        at += MATRIX.size
        if at + 4 * count * width > len(data):
            raise InputError(f"{path}: is cut short within its table of {count} x {width}; fetch the file again")
        rows = np.frombuffer(data, "<f4", count * width, at).reshape(count, width)
        whole = pruned == 0 or (version == VERSIONS[0] and kind == SUPERVISED)
        return cls(path, dimension, places, buckets, shortest, 0 if whole else longest, rows)

    def __contains__(self, word: str) -> bool:
        return word.encode() in self.places

    def vector(self, word: str) -> Float[np.ndarray, " D"] | None:
        """Float32; None for a word that is not listed and has no n-gram.

        Raises:
          InputError: the vector is not finite.
        """
        own = [self.places[word.encode()]] if word in self else []
        parts = (
            [] if word == END or not self.buckets else ngram_buckets(word, self.shortest, self.longest, self.buckets)
        )
        places = np.asarray([*own, *(len(self.rows) - self.buckets + part for part in parts)], np.int64)
        if not len(places):
            return None
        with np.errstate(all="ignore"):
            found = self.rows[places].mean(0, dtype=np.float32)
        if not np.isfinite(found).all():
            raise InputError(f"{self.path}: the vector of {word!r} is not finite; fetch the file again")
        return found


def _places(data: mmap.mmap, at: int, entries: int, words: int, path: Path) -> tuple[dict[bytes, int], int]:
    """The row of each word, and where the entries end."""
    places = {}
    for number in range(entries):
        end = data.find(b"\0", at, at + LONGEST_WORD)
        if end < 0:
            raise InputError(f"{path}: entry {number} of its {entries} has no end; fetch the file again")
        _, kind = ENTRY.unpack_from(data, end + 1)
        if kind != (number >= words):
            raise InputError(f"{path}: entry {number} is of kind {kind}; its {words} words should come first")
        if not kind:
            places[data[at:end]] = number
        at = end + 1 + ENTRY.size
    return places, at


def ngram_buckets(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """The bucket of each n-gram of `shortest` to `longest` characters of "<word>"; "<" and ">" alone are none."""
    characters = [character.encode() for character in f"<{word}>"]
    count = len(characters)
    spans = ((at, end) for at in range(count) for end in range(at + max(shortest, 1), min(at + longest, count) + 1))
    parts = (b"".join(characters[at:end]) for at, end in spans if end - at > 1 or 0 < at < count - 1)
    return [_fnv(part) % buckets for part in parts]


def _fnv(text: bytes) -> int:
    """FNV-1a of 32 bits, with bytes above 127 taken as negative, as fastText does on every machine."""
    value = 2166136261
    for byte in text:
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return value
