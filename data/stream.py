"""A text as one long stream of tokens, for a model that tells each from those before it.

Rows are cut from the stream at any place. A model of characters is trained so: rows begin where chance has it, and an
evaluation slides along the stream, so that each token is told once, with as much before it as the row holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Num, UInt

from data.tokenizer import Tokenizer
from errors import InputError

GROUP = 64  # documents tokenised together


@dataclass(frozen=True)
class TokenStream:
    """The documents behind one another, each ended by the token that ends a text; one such token stands before all.

    `document` numbers a token's document from 1. `characters` and `words` are how many of these each token begins.
    """

    tokens: UInt[np.ndarray, " N"]
    document: Int[np.ndarray, " N"]
    characters: UInt[np.ndarray, " N"]
    words: UInt[np.ndarray, " N"]
    empty_documents: int

    @property
    def predicted(self) -> int:
        """Tokens that are told: all but the first."""
        return len(self.tokens) - 1

    def __str__(self) -> str:
        told = f"{self.predicted / 1e6:.2f} M tokens of {self.characters.sum() / 1e6:.2f} M characters"
        empty = f", {self.empty_documents} documents had no token" if self.empty_documents else ""
        return f"{told} in {int(self.document[-1])} documents{empty}"


def token_stream(texts: Sequence[str], tokenizer: Tokenizer) -> TokenStream:
    """Raises InputError if there is no token at all."""
    dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
    tokens, characters, words, sizes = [], [], [], []
    for begin in range(0, len(texts), GROUP):
        group = texts[begin : begin + GROUP]
        for text, (ids, starts) in zip(group, tokenizer.encode_with_starts(group), strict=True):
            if not len(ids):
                continue
            sizes.append(len(ids) + 1)
            tokens.append(np.append(ids, tokenizer.sep_id).astype(dtype))
            bounds = np.append(starts, len(text))
            bounds[0] = 0
            characters.append(np.append(np.diff(bounds), 0).astype(np.uint32))
            words.append(np.append(np.diff(np.searchsorted(_word_starts(text), bounds)), 0).astype(np.uint32))
    if not tokens:
        raise InputError("there is no text: every document is empty")
    first = np.asarray([tokenizer.sep_id], dtype)
    return TokenStream(
        tokens=np.concatenate([first, *tokens]),
        document=np.repeat(np.arange(1, len(sizes) + 1), [sizes[0] + 1, *sizes[1:]]).astype(np.int32),
        characters=np.concatenate([np.zeros(1, np.uint32), *characters]),
        words=np.concatenate([np.zeros(1, np.uint32), *words]),
        empty_documents=len(texts) - len(sizes),
    )


def _word_starts(text: str) -> Int[np.ndarray, " w"]:
    """Where the words of `text.split()` begin."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    blanks = np.unique(points)
    blanks = blanks[[chr(point).isspace() for point in blanks]]
    blank = np.isin(points, blanks)
    return np.flatnonzero(~blank & np.append(True, blank[:-1]))


@dataclass(frozen=True)
class TrainingRows:
    """Rows of `length` tokens and the one after each, one for each `length` tokens of the stream.

    An example holds the tokens among which `cut` then chooses where the row begins.
    """

    stream: TokenStream
    length: int

    def __len__(self) -> int:
        return -(-self.stream.predicted // self.length)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        begin = index * self.length
        end = min(begin + 2 * self.length, len(self.stream.tokens))
        begin = max(min(begin, end - self.length - 1), 0)
        return {"tokens": self.stream.tokens[begin:end], "document": self.stream.document[begin:end]}

    def cut(self, example: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        spare = len(example["tokens"]) - self.length - 1
        begin = int(rng.integers(spare + 1)) if spare > 0 else 0
        tokens, document = (example[name][begin : begin + self.length + 1] for name in ("tokens", "document"))
        nothing = np.zeros(len(tokens) - 1, np.float32)
        return _row(tokens, document, np.ones_like(nothing), nothing, nothing, length=self.length)


@dataclass(frozen=True)
class SlidingRows:
    """Rows that begin every `stride` tokens; of each its last `stride` tokens are told, of the first all.

    So every token of the stream is told once, those of later rows after at least `length - stride` others.

    Source: Beltagy et al. 2020, section 4.2 (overlapping evaluation).
    """

    stream: TokenStream
    length: int
    stride: int

    def __post_init__(self):
        if not 1 <= self.stride <= self.length:
            raise InputError(f"evaluation.stride={self.stride} must lie between 1 and a row's {self.length} tokens")

    def __len__(self) -> int:
        return 1 + max(0, -(-(self.stream.predicted - self.length) // self.stride))

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        begin = index * self.stride
        end = min(begin + self.length + 1, len(self.stream.tokens))
        stream = self.stream
        told = np.ones(end - begin - 1, np.float32)
        told[: self.length - self.stride if index else 0] = 0
        counts = (told * each[begin + 1 : end] for each in (stream.characters, stream.words))
        return _row(stream.tokens[begin:end], stream.document[begin:end], told, *counts, length=self.length)


def _row(
    tokens: UInt[np.ndarray, " n1"],
    document: Int[np.ndarray, " n1"],
    told: Num[np.ndarray, " n"],
    characters: Num[np.ndarray, " n"],
    words: Num[np.ndarray, " n"],
    *,
    length: int,
) -> dict[str, np.ndarray]:
    """Inputs and labels of a row, filled up with padding of no weight to `length`."""
    # The token between two documents ends one and opens the other: as an input it belongs to what it is to tell.
    segments = document[1:] - document[1] + 1
    ids = {"input_ids": tokens[:-1], "labels": tokens[1:], "segment_ids": segments}
    ids["attention_mask"] = np.ones_like(segments)
    weights = {"label_weights": told, "label_characters": characters, "label_words": words}
    typed = {name: value.astype(np.int32) for name, value in ids.items()}
    typed |= {name: value.astype(np.float32) for name, value in weights.items()}
    return {name: np.pad(value, (0, length - len(told))) for name, value in typed.items()}
