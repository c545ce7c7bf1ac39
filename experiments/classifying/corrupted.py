"""Sentences of books, and each once more with one thing put wrong: learnt before judgements of grammar.

    python -m experiments.classifying.corrupted runs/data/gutenberg_novels --to=runs/data/corrupted

Reads {train,validation}/*.txt.gz, writes {train,validation}.jsonl with the fields text and label, acceptable as it
stands in the book or unacceptable; the output is a pure function of the input. So learnt the encoders of Warstadt et
al. 2019 (CoLA), section 4, from real sentences and fake ones; these fakes are simpler, of our own: two neighbours
exchanged, a word elsewhere, a common word left out, another word or another ending in its place.
"""

import argparse
import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from errors import InputError
from whole_files import write_bytes

SHORTEST, LONGEST = 4, 20  # words
COMMON = 100  # words that are common enough to be missed
ENDINGS = ("", "s", "ed", "ing", "d", "es")
TITLES = "".join(rf"(?<!\b{title}\.)" for title in ("Mr", "Mrs", "Dr", "St", "[A-Z]"))
SENTENCE = re.compile(rf"(?<=[.!?]){TITLES}[\"\u201d\u2019']*\s+(?=[\"\u201c\u2018']?[A-Z])")
MARKS = "\"\u201c\u201d\u2018\u2019'_()[]\u2014-*"

Words = list[str]


def sentences(text: str) -> Iterator[Words]:
    """Words of each sentence of a book of usual length, with their commas, without quotation marks; its first word as
    it would stand inside, if the text has it there too.
    """
    parts = [part for paragraph in re.split(r"\n\s*\n", text) for part in SENTENCE.split(" ".join(paragraph.split()))]
    found = [[bare for word in part.replace("--", " ").split() if (bare := word.strip(MARKS))] for part in parts]
    inside = {word for words in found for word in words[1:]}
    for words in found:
        plain = all(re.fullmatch(r"[A-Za-z][A-Za-z'\u2019]*[,;:.!?]?", word) for word in words)
        if SHORTEST <= len(words) <= LONGEST and plain and words[-1][-1] in ".!?" and words[0][0].isupper():
            first = words[0][0].lower() + words[0][1:]
            yield [first if first in inside else words[0], *words[1:]]


class Corruption:
    """`corruption(words, rng)`: the same sentence with one thing wrong; None where chance found nothing to do."""

    def __init__(self, books: Sequence[Sequence[Words]]):
        counts = Counter(word.strip(",;:.!?") for book in books for words in book for word in words)
        self.known = {word for word, count in counts.items() if count > 1}
        self.common = {word for word, _ in counts.most_common(COMMON)}
        self.words = list(counts)
        self.upto = np.cumsum([counts[word] for word in self.words])  # so that a word is drawn as often as it occurs
        self.ways: tuple[Callable[[Words, np.random.Generator], Words | None], ...] = (
            self.neighbours, self.elsewhere, self.left_out, self.other_word, self.other_ending,
        )  # fmt: skip

    def __call__(self, words: Words, rng: np.random.Generator) -> Words | None:
        *inner, last = words
        bare, mark = last[:-1], last[-1]
        if not bare:
            return None
        made = self.ways[rng.integers(len(self.ways))]([*inner, bare], rng)
        return None if made is None or made == [*inner, bare] else [*made[:-1], made[-1].rstrip(",;:") + mark]

    def neighbours(self, words: Words, rng: np.random.Generator) -> Words:
        at = rng.integers(len(words) - 1)
        return [*words[:at], words[at + 1], words[at], *words[at + 2 :]]

    def elsewhere(self, words: Words, rng: np.random.Generator) -> Words:
        at = rng.integers(len(words))
        rest = [*words[:at], *words[at + 1 :]]
        to = rng.integers(len(words))
        return [*rest[:to], words[at], *rest[to:]]

    def left_out(self, words: Words, rng: np.random.Generator) -> Words | None:
        places = [at for at, word in enumerate(words) if word in self.common]
        at = places[rng.integers(len(places))] if places else None
        return None if at is None else [*words[:at], *words[at + 1 :]]

    def other_word(self, words: Words, rng: np.random.Generator) -> Words:
        at, drawn = rng.integers(len(words)), rng.integers(self.upto[-1])
        return [*words[:at], self.words[np.searchsorted(self.upto, drawn, side="right")], *words[at + 1 :]]

    def other_ending(self, words: Words, rng: np.random.Generator) -> Words | None:
        found = []
        for at, word in enumerate(words):
            stems = {word[: len(word) - len(ending)] for ending in ENDINGS if word.endswith(ending)}
            others = {stem + ending for stem in stems if len(stem) > 2 for ending in ENDINGS} & self.known
            found += [(at, other) for other in sorted(others) if other != word]
        if not found:
            return None
        at, other = found[rng.integers(len(found))]
        return [*words[:at], other, *words[at + 1 :]]


def examples(books: Sequence[Sequence[Words]], corruption: Corruption, seed: int) -> Iterator[tuple[str, str]]:
    """Text and label, each sentence right and then wrong, in an order by chance."""
    rng, found = np.random.default_rng(seed), []
    for words in (words for book in books for words in book):
        wrong = corruption(words, rng)
        if wrong is not None:
            found += [(_text(words), "acceptable"), (_text(wrong), "unacceptable")]
    yield from (found[at] for at in rng.permutation(len(found)))


def _text(words: Words) -> str:
    text = " ".join(words)
    return text[0].upper() + text[1:]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("books", type=Path, help="directory with train/ and validation/, each of .txt.gz files")
    parser.add_argument("--to", type=Path, default=Path("runs/data/corrupted"))
    given = parser.parse_args(arguments)
    try:
        books = {split: _read(given.books / split) for split in ("train", "validation")}
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    corruption = Corruption(books["train"])
    for seed, (split, each) in enumerate(books.items()):
        lines = [json.dumps({"text": text, "label": label}) for text, label in examples(each, corruption, seed)]
        write_bytes(given.to / f"{split}.jsonl", [("\n".join(lines) + "\n").encode()])
        print(f"{given.to / split}.jsonl: {len(lines)} sentences, every other one corrupted")
    return 0


def _read(directory: Path) -> list[list[Words]]:
    paths = sorted(directory.glob("*.txt.gz"))
    if not paths:
        raise InputError(f"{directory} holds no .txt.gz file; experiments/finetuning/prepare.py writes them")
    return [list(sentences(gzip.decompress(path.read_bytes()).decode())) for path in paths]


if __name__ == "__main__":
    sys.exit(main())
