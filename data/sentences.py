"""Sentences of words, with their predicates and roles where they are known; and roles as one tag for each word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Int

from data.records import Record
from data.words import sentence_places, word_places
from errors import InputError

Span = tuple[int, int, str]
"""First word, one past the last word, label."""
UNKNOWN = -1  # the tag of a word whose label is none of those known


@dataclass(frozen=True)
class Sentence:
    """`places` are the characters of `text` where each word begins and ends; `begin` is where `text` begins in the
    record. `predicates` are None where nobody gave any, `spans` where nobody told their roles.
    """

    text: str
    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    origin: str
    begin: int = 0
    predicates: tuple[dict[str, Any], ...] | None = None
    spans: tuple[tuple[Span, ...], ...] | None = None


def sentences_of(records: Iterable[Record], *, text: str = "text") -> list[Sentence]:
    """Records with "words" are sentences; other records are plain text in the field `text`, one sentence or several.

    Raises:
      InputError: with file and line, for what is no text or no list of words, or holds no word.
    """
    found: list[Sentence] = []
    for record in records:
        if "words" in record.values:
            found.append(_of_words(record))
        else:
            found += _of_text(record, text)
    return found


def _of_words(record: Record) -> Sentence:
    values, words = record.values, record.values["words"]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word.strip() for word in words):
        raise InputError(f"{record.origin}: 'words' must be a list of at least one word, each a text with a letter")
    ends = np.cumsum([len(word) + 1 for word in words])
    places = tuple((int(end) - 1 - len(word), int(end) - 1) for end, word in zip(ends, words, strict=True))
    if not _is_nested(values.get("predicates", ()), 1):
        raise InputError(f"{record.origin}: 'predicates' must be a list; leave it out where nobody gave any")
    if not _is_nested(values.get("spans", ()), 3):
        raise InputError(f"{record.origin}: 'spans' must hold for each predicate a list of [first word, end, label]")
    predicates = tuple(values["predicates"]) if "predicates" in values else None
    spans = tuple(tuple(map(tuple, each)) for each in values["spans"]) if "spans" in values else None
    _check_roles(predicates, spans, words=len(words), origin=record.origin)
    return Sentence(" ".join(words), tuple(words), places, record.origin, predicates=predicates, spans=spans)


def _is_nested(value: Any, depth: int) -> bool:
    """Whether it is a list, of lists where `depth` is more than 1, and so on."""
    return isinstance(value, list | tuple) and (depth == 1 or all(_is_nested(each, depth - 1) for each in value))


def _is_span(span: tuple[Any, ...], words: int) -> bool:
    return [*map(type, span)] == [int, int, str] and 0 <= span[0] < span[1] <= words


def _check_roles(predicates: Any, spans: Any, *, words: int, origin: str) -> None:
    """What a column file is by its form, other files may not be."""
    for each in predicates or ():
        if not isinstance(each, dict) or not isinstance(at := each.get("index"), int) or not 0 <= at < words:
            raise InputError(f"{origin}: a predicate should be like {{'index': 0}}, a word of {words}; it is {each!r}")
    at = [each["index"] for each in predicates or ()]
    if len(set(at)) < len(at):
        word = next(index for index in at if at.count(index) > 1)
        raise InputError(f"{origin}: its word {word} (0 = first) is a predicate twice; name every predicate once")
    if spans is None:
        return
    if predicates is None or len(spans) != len(predicates):
        raise InputError(f"{origin}: has spans of {len(spans)} predicates, but {len(predicates or ())} predicates")
    for each in spans:
        wrong = [span for span in each if not _is_span(span, words)]
        wrong = wrong or [right for left, right in pairwise(sorted(each)) if right[0] < left[1]]
        if wrong:
            raise InputError(f"{origin}: the span {wrong[0]!r} of {words} words is none, or lies over another")


def _of_text(record: Record, field: str) -> list[Sentence]:
    value = record.values.get(field)
    if "spans" in record.values:
        raise InputError(f"{record.origin}: has 'spans', which count words, and no 'words': give them as a list")
    if not isinstance(value, str):
        has = ", ".join(map(repr, record.values)) or "none"
        raise InputError(f"{record.origin}: has neither 'words' nor a text in {field!r}; its fields are {has}")
    found = []
    for begin, end in sentence_places(value):
        text = value[begin:end]
        places = tuple(word_places(text))
        words = tuple(text[a:b] for a, b in places)
        if words:
            found.append(Sentence(text, words, places, record.origin, begin=begin))
    if not found:
        raise InputError(f"{record.origin}: the text in {field!r} has no word")
    return found


def labels_of(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Every label of their spans, sorted; V is always one."""
    return tuple(sorted({"V"} | {label for s in sentences for spans in s.spans or () for _, _, label in spans}))


def unknown_spans(sentences: Iterable[Sentence], labels: Sequence[str]) -> list[tuple[str, str]]:
    """Label and origin of each span whose label is not in `labels`."""
    return [
        (label, s.origin) for s in sentences for spans in s.spans or () for *_, label in spans if label not in labels
    ]


def tags_of(spans: Iterable[Span], length: int, labels: Sequence[str]) -> Int[np.ndarray, " length"]:
    """One tag for each of `length` words, as ops/bio.py numbers them; UNKNOWN under a label that is not in `labels`."""
    tags, number = np.zeros(length, np.int32), {label: n for n, label in enumerate(labels)}
    for begin, end, label in spans:
        known = label in number
        tags[begin:end] = 2 + 2 * number[label] if known else UNKNOWN
        tags[begin] = 1 + 2 * number[label] if known else UNKNOWN
    return tags


def spans_of(tags: Sequence[int], labels: Sequence[str]) -> list[Span]:
    """The spans of tags in which each "goes on" follows its own label."""
    found: list[Span] = []
    for at, tag in enumerate(tags):
        if tag > 0 and tag % 2:
            found.append((at, at + 1, labels[(tag - 1) // 2]))
        elif tag > 0:
            found[-1] = (found[-1][0], at + 1, found[-1][2])
    return found
