"""Documents with clusters of mentions as rows of tokens, in which a net looks for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from data.classification import PadTo
from data.documents import Document
from data.tokenizer import Tokenizer
from data.word_tokens import parts_of, words_tokens


class Row(NamedTuple):
    """Words [first, last) of a document; `words` has the number of each token's word in it, -1 where it has none."""

    document: int
    first: int
    last: int
    ids: Int[np.ndarray, " n"]
    words: Int[np.ndarray, " n"]


@dataclass(frozen=True)
class CoreferenceExamples:
    """A source of rows: cls, sentences, sep; where the speaker changes, the new one's name and a colon before.

    Each has "input_ids", "index", "sentence_ids" (from 1; 0 where a token is of no word), "word_begins" and "word_ends"
    (1 at the first and the last token of a word), and where known "mentions" [M 3]: the first token of each, how many
    tokens come after it, and the number of its cluster, from 1.

    A document is one row, or several of whole sentences that share no cluster, and each of which is asked alone;
    `split` counts such documents. `lost` are the mentions of more than `mention_tokens` tokens or in two rows.
    """

    documents: tuple[Document, ...]
    rows: tuple[Row, ...]
    mention_tokens: int
    labelled: bool

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " N"]:
        return np.asarray([len(row.ids) for row in self.rows], np.int32)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        document = self.documents[row.document]
        of_word = np.repeat(np.arange(len(document.sentences)), [len(s) for s in document.sentences])
        real = row.words >= 0
        begins = real & np.diff(row.words, prepend=-1).astype(bool)
        ends = real & np.diff(row.words, append=-1).astype(bool)
        example = {
            "input_ids": row.ids,
            "index": np.int32(index),
            "sentence_ids": np.where(real, 1 + of_word[row.words], 0).astype(np.int32),
            "word_begins": begins.astype(np.int32),
            "word_ends": ends.astype(np.int32),
        }
        return example | {"mentions": self.mentions(row)} if self.labelled else example

    def mentions(self, row: Row) -> Int[np.ndarray, "M 3"]:
        """Those that lie in the row and have few enough tokens."""
        first, last = self._edges(row)
        spans = [
            (first[a - row.first], last[b - row.first] - first[a - row.first], number)
            for number, cluster in enumerate(self.documents[row.document].clusters, 1)
            for a, b in cluster
            if row.first <= a and b < row.last
        ]
        found = np.asarray(spans, np.int32).reshape(-1, 3)
        return found[found[:, 1] < self.mention_tokens]

    def _edges(self, row: Row) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"]]:
        """First and last token of each word of the row."""
        places, words = np.flatnonzero(row.words >= 0), row.words[row.words >= 0]
        numbers = np.arange(row.first, row.last)
        left, right = np.searchsorted(words, numbers), np.searchsorted(words, numbers, side="right")
        return places[left], places[right - 1]

    @cached_property
    def split(self) -> int:
        return sum(len(list(rows)) > 1 for _, rows in groupby(self.rows, key=lambda row: row.document))

    @cached_property
    def lost(self) -> int:
        every = sum(len(cluster) for document in self.documents for cluster in document.clusters or ())
        return every - sum(len(self.mentions(row)) for row in self.rows) if self.labelled else 0

    def told(self) -> str:
        """What a person wants to know of them, in one line."""
        words, twice = sum(len(d.words) for d in self.documents), sum(d.twice for d in self.documents)
        median = int(np.median(self.lengths))
        return (
            f"{len(self.documents)} documents of {words} words in {len(self)} rows, median {median} tokens; "
            f"{self.split} divided, {self.lost} mentions lost by that or by their length, {twice} told twice"
        )


def coreference_examples(
    documents: Sequence[Document], tokenizer: Tokenizer, *, length: int, mention_tokens: int, labelled: bool
) -> CoreferenceExamples:
    """Raises InputError for a word that is longer than a row, and for a row without room for words."""
    room = length - 2
    sentences = [(document, words) for document in documents for words in document.sentences]
    texts = [" ".join(words) for _, words in sentences]
    ends = [np.cumsum([len(word) + 1 for word in words]) - 1 for _, words in sentences]
    tokens = iter(
        words_tokens(texts, [e.tolist() for e in ends], tokenizer, room=room, origins=[d.origin for d, _ in sentences])
    )
    names = sorted({name for document in documents for name in document.speakers if name})
    encoded = tokenizer.encode_batch([f"{name}:" for name in names]) if names else []
    speakers = dict(zip(names, encoded, strict=True))
    rows = []
    for number, document in enumerate(documents):
        pieces = list(_pieces(document, [next(tokens) for _ in document.sentences], speakers, room))
        for first, last, ids, words in _joined(pieces, room):
            around = [[tokenizer.cls_id], ids, [tokenizer.sep_id]]
            rows.append(
                Row(number, first, last, np.concatenate(around).astype(np.int32), np.pad(words, 1, constant_values=-1))
            )
    return CoreferenceExamples(tuple(documents), tuple(rows), mention_tokens, labelled)


class Piece(NamedTuple):
    """A sentence, or a part of one that is too long: the words it has, their tokens, and the speaker's before them."""

    first: int
    last: int
    ids: Int[np.ndarray, " n"]
    words: Int[np.ndarray, " n"]
    speaker: Int[np.ndarray, " s"]
    changed: bool


def _pieces(
    document: Document,
    tokens: Sequence[tuple[np.ndarray, np.ndarray]],
    speakers: dict[str, np.ndarray],
    room: int,
) -> Iterable[Piece]:
    nobody, begin, before = np.zeros(0, np.int32), 0, ""
    told = len(set(document.speakers)) > 1
    for (ids, starts), name in zip(tokens, document.speakers, strict=True):
        who = speakers[name] if told and name else nobody
        if len(who) + np.diff(starts).max() > room:  # beside the longest word there is no room for the name
            who = nobody
        for first, last in parts_of(starts, room - len(who)):
            inside = slice(starts[first], starts[last])
            owners = np.repeat(np.arange(first, last), np.diff(starts[first : last + 1])) + begin
            yield Piece(begin + first, begin + last, ids[inside], owners, who, name != before)
            before = name
        begin += len(starts) - 1


def _joined(pieces: Sequence[Piece], room: int) -> Iterable[tuple[int, int, np.ndarray, np.ndarray]]:
    """As many pieces in turn as fit: first word, one past the last, tokens and the word of each."""
    row: list[Piece] = []
    used = 0
    for piece in pieces:
        cost = len(piece.ids) + len(piece.speaker) * (piece.changed or not row)
        if row and used + cost > room:
            yield _row(row)
            row, cost, used = [], len(piece.ids) + len(piece.speaker), 0
        row.append(piece)
        used += cost
    yield _row(row)


def _row(pieces: Sequence[Piece]) -> tuple[int, int, np.ndarray, np.ndarray]:
    ids, words = [], []
    for number, piece in enumerate(pieces):
        who = piece.speaker if piece.changed or not number else piece.speaker[:0]
        ids += [who, piece.ids]
        words += [np.full(len(who), -1), piece.words]
    return pieces[0].first, pieces[-1].last, np.concatenate(ids), np.concatenate(words).astype(np.int32)


@dataclass(frozen=True)
class PadCoreference(PadTo):
    """`PadTo`, what coreference has for each token, and "labels" [B S L], the cluster of the span of l + 1 tokens that
    begins at token s, 0 for no mention.
    """

    by_token: ClassVar[tuple[str, ...]] = (*PadTo.by_token, "sentence_ids", "word_begins", "word_ends")

    mention_tokens: int = 1

    def __call__(
        self, examples: Sequence[dict[str, Any]], longest: int | None = None
    ) -> dict[str, Shaped[np.ndarray, "b ..."]]:
        batch = super().__call__(examples, longest)
        if "mentions" in examples[0]:
            batch["labels"] = np.zeros((*batch["input_ids"].shape, self.mention_tokens), np.int32)
            for row, example in enumerate(examples):
                first, more, cluster = example["mentions"].T
                batch["labels"][row, first, more] = cluster
        return batch
