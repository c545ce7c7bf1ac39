"""Sentences with predicates and their roles into examples: one for each predicate, one that asks for the predicates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int, Shaped

from data.classification import PadTo
from data.packing import next_fit
from data.sentences import UNKNOWN, Sentence, Span, tags_of
from data.tokenizer import Tokenizer
from data.word_tokens import parts_of, words_tokens

TYPES = 12  # token types that tell how far the predicate is; with fewer, 1 is at the predicate and 0 elsewhere
MARKS = 2  # tokens around the predicate where a net has no token types to tell it by
_NEAR = (1, 2, 3, 5, 9)  # words from the predicate at which a new type begins, on either side


def token_types(words: int, at: int, types: int) -> Int[np.ndarray, " words"]:
    """One for each word: 1 at the predicate, word `at`; of TYPES also 2 to 6 after it, 7 to 11 before, by distance."""
    distance = np.arange(words) - at
    if types < TYPES:
        return (distance == 0).astype(np.int32)
    far = np.searchsorted(_NEAR, np.abs(distance), side="right")
    return (1 + far + len(_NEAR) * (distance < 0)).astype(np.int32)


@dataclass(frozen=True)
class Item:
    """Which words of which sentence an example shows, and which of its predicates it marks: None asks for them all."""

    sentence: int
    predicate: int | None
    first: int
    last: int  # one past it


@dataclass(frozen=True)
class RoleExamples:
    """A source of cls, the words' tokens, sep; not padded. `token_type_ids` mark the predicate (`token_types`); where a
    net has fewer than two `types` there are none, and the predicate stands between two more sep. `marks` are 1 at its
    tokens.

    `word_starts` are 1 at the first token of each word; there, `labels` has the word's tag and `label_weights` 1, or 0
    under a label that is not in `labels`. An example without a mark has V at each predicate. Where `labels` is None
    there are neither. `windowed` counts the examples that show a part of their sentence.
    """

    sentences: Sequence[Sentence]
    items: tuple[Item, ...]
    ids: Sequence[Int[np.ndarray, " _"]]  # by sentence
    starts: Sequence[Int[np.ndarray, " _"]]  # by sentence: the token that each word begins with, and their number
    labels: tuple[str, ...] | None
    ends: tuple[int, int]  # ids of cls and sep
    types: int  # as in `token_types`
    windowed: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.items[index]
        starts = self.starts[item.sentence]
        begin, end = starts[item.first], starts[item.last]
        places = 1 + starts[item.first : item.last] - begin
        size = int(2 + end - begin)
        cls, sep = self.ends
        example = {
            "input_ids": np.concatenate([[cls], self.ids[item.sentence][begin:end], [sep]], dtype=np.int32),
            "word_starts": _put(size, places, 1),
            "marks": np.zeros(size, np.int32),
        }
        if self.types > 1:
            example["token_type_ids"] = np.zeros(size, np.int32)
        if self.labels is not None:
            tags = self.tags(index)
            example["labels"] = _put(size, places, np.maximum(tags, 0))
            example["label_weights"] = _put(size, places, tags != UNKNOWN).astype(np.float32)
        return (example if item.predicate is None else self._marked(example, item)) | {"index": np.int32(index)}

    def _marked(self, example: dict[str, np.ndarray], item: Item) -> dict[str, np.ndarray]:
        starts, at = self.starts[item.sentence], self._place(item)
        begin, end = (1 + starts[word] - starts[item.first] for word in (at, at + 1))
        example["marks"][begin:end] = 1
        if self.types > 1:
            kinds = token_types(len(starts) - 1, at, self.types)[item.first : item.last]
            example["token_type_ids"][1:-1] = np.repeat(kinds, np.diff(starts[item.first : item.last + 1]))
            return example
        more = {"input_ids": self.ends[1]}
        return {name: np.insert(values, [begin, end], more.get(name, 0)) for name, values in example.items()}

    @cached_property
    def lengths(self) -> Int[np.ndarray, " N"]:
        around = MARKS if self.types < 2 else 0
        words = [self.starts[i.sentence][i.last] - self.starts[i.sentence][i.first] for i in self.items]
        return 2 + np.asarray(words) + [0 if i.predicate is None else around for i in self.items]

    def tags(self, index: int) -> Int[np.ndarray, " n"]:
        """Of the words that an example shows; a span that began before them begins with them."""
        item = self.items[index]
        sentence, labels = self.sentences[item.sentence], self.labels or ()
        if item.predicate is None:
            spans: Iterable[Span] = ((p["index"], p["index"] + 1, "V") for p in sentence.predicates or ())
        else:
            spans = sentence.spans[item.predicate]
        tags = tags_of(spans, len(sentence.words), labels)[item.first : item.last]
        if len(tags) and tags[0] > 0 and tags[0] % 2 == 0:
            tags[0] -= 1
        return tags

    def _place(self, item: Item) -> int:
        return self.sentences[item.sentence].predicates[item.predicate]["index"]


def _put(size: int, places: Int[np.ndarray, " n"], values: Any) -> Int[np.ndarray, " size"]:
    out = np.zeros(size, np.int32)
    out[places] = values
    return out


def role_examples(
    sentences: Sequence[Sentence],
    tokenizer: Tokenizer,
    *,
    length: int,
    labels: Sequence[str] | None,
    types: int = 2,
    unmarked: bool = True,
    marked: bool = True,
) -> RoleExamples:
    """Sentence by sentence, the `unmarked` example and then one `marked` for each predicate.

    A sentence of more than `length` tokens is shown in parts: an unmarked example becomes several that share out its
    words, a marked one shows as much as fits around its predicate. No predicate is left out; what lies farther from one
    than it shows is not found.

    Raises:
      InputError: with file and line, for a word that alone is longer than a row.
    """
    room = length - 2 - (MARKS if types < 2 else 0)
    ends, origins = [[end for _, end in s.places] for s in sentences], [s.origin for s in sentences]
    pieces = words_tokens([s.text for s in sentences], ends, tokenizer, room=room, origins=origins)
    ids, starts = [p for p, _ in pieces], [s for _, s in pieces]
    items: list[Item] = []
    for number, (sentence, at) in enumerate(zip(sentences, starts, strict=True)):
        if unmarked:
            items += [Item(number, None, *part) for part in parts_of(at, room)]
        for k, predicate in enumerate(sentence.predicates or ()) if marked else ():
            items.append(Item(number, k, *_around(at, predicate["index"], room)))
    whole = sum(item.last - item.first == len(sentences[item.sentence].words) for item in items)
    return RoleExamples(
        sentences=sentences,
        items=tuple(items),
        ids=ids,
        starts=starts,
        labels=None if labels is None else tuple(labels),
        ends=(tokenizer.cls_id, tokenizer.sep_id),
        types=types,
        windowed=len(items) - whole,
    )


def _around(starts: Int[np.ndarray, " w"], at: int, room: int) -> tuple[int, int]:
    """Words around word `at`, as many tokens on either side as fit; what one side does not need the other takes."""
    if starts[-1] <= room:
        return 0, len(starts) - 1
    left = room - (starts[at + 1] - starts[at])
    before = max(left // 2, left - (starts[-1] - starts[at + 1]))
    first = int(np.searchsorted(starts, starts[at] - before))
    last = int(np.searchsorted(starts, starts[first] + room, side="right")) - 1
    return first, last


@dataclass(frozen=True)
class PackedRoles:
    """Rows of `length` tokens that hold whole examples, drawn once in an order that `seed` decides.

    `segment_ids` number the examples of a row from 1, 0 is padding; `position_ids` count each example's tokens from
    `first_place`. So no step spends time on padding, and an example is read as if it stood alone.
    """

    examples: RoleExamples
    length: int
    pad_id: int
    seed: int
    first_place: int = 0

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def _rows(self) -> list[Int[np.ndarray, " _"]]:
        order = np.random.default_rng(self.seed).permutation(len(self.examples))
        sizes = self.examples.lengths[order]
        borders = next_fit(sizes, self.length)[1:-1]
        return np.split(order, np.searchsorted(np.cumsum(sizes), borders, side="right"))

    def __getitem__(self, index: int) -> dict[str, Shaped[np.ndarray, " length"]]:
        parts = [self.examples[int(i)] for i in self._rows[index]]
        for number, part in enumerate(parts, 1):
            size = len(part["input_ids"])
            part["attention_mask"] = np.ones(size, np.int32)
            part["segment_ids"] = np.full(size, number, np.int32)
            part["position_ids"] = np.arange(size, dtype=np.int32) + self.first_place
        names = [name for name in parts[0] if name not in ("index", "word_starts", "marks")]
        return {name: self._joined([part[name] for part in parts], name) for name in names}

    def _joined(self, pieces: list[np.ndarray], name: str) -> np.ndarray:
        out = np.full(self.length, self.pad_id if name == "input_ids" else 0, pieces[0].dtype)
        joined = np.concatenate(pieces)
        out[: len(joined)] = joined
        return out

    @property
    def fill(self) -> float:
        """The share of places that hold a token."""
        return float(self.examples.lengths.sum()) / (len(self) * self.length)


class PadRoles(PadTo):
    """`PadTo`, and what role examples have for each token."""

    by_token: ClassVar[tuple[str, ...]] = (*PadTo.by_token, "word_starts", "marks", "labels", "label_weights")
