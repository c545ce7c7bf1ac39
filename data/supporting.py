"""Sentences of a document that support the answer to a question about it, beside the windows it is read in."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Int

from data.questions import Place, Question
from data.reading import PadReading, ReadingExamples, Window
from data.records import Record
from errors import InputError


class Sentence(NamedTuple):
    """`name` is what an official file calls it: any value of JSON."""

    place: Place
    name: Any
    supports: bool


def sentences_of(records: Sequence[Record], questions: Sequence[Question], *, labelled: bool) -> list[list[Sentence]]:
    """The field "sentences" of each record, the document of which is its question's: a list of {"start", "end", "name",
    "supports"}, with characters of the document from 0.

    Raises:
      InputError: naming the question, if there are none, one lies outside the document, or (`labelled`) no one is told
        to support it or not.
    """
    found = []
    for record, question in zip(records, questions, strict=True):
        given = record.values.get("sentences")
        if not isinstance(given, list) or not given:
            raise InputError(f"{record.origin}: has no list of 'sentences'; multi_hop asks which of them support it")
        found.append([_sentence(each, question, labelled, record.origin) for each in given])
    return found


def _sentence(value: Any, question: Question, labelled: bool, origin: str) -> Sentence:
    told = value if isinstance(value, dict) else {}
    start, end, supports = told.get("start"), told.get("end"), told.get("supports", None if labelled else False)
    whole = type(start) is int and type(end) is int and 0 <= start <= end <= len(question.document)
    if not whole or not isinstance(supports, bool):
        raise InputError(
            f"{origin}: a sentence should be a start and an end in the {len(question.document)} characters of the "
            f"document, a name, and whether it supports; got {value!r:.80}"
        )
    return Sentence(Place(start, end), told.get("name"), supports)


@dataclass(frozen=True)
class SupportingExamples(ReadingExamples):
    """Rows have also "sentence_starts", 1 at the first token of each sentence that is looked at in their window, and
    where known "supports", 1 at those of the sentences that support the answer.
    """

    sentences: tuple[tuple[Sentence, ...], ...]  # of each question
    firsts: tuple[Int[np.ndarray, " _"], ...]  # token of the document that each begins with; -1: it has none

    @classmethod
    def of(cls, examples: ReadingExamples, sentences: Sequence[Sequence[Sentence]]) -> "SupportingExamples":
        given = {field.name: getattr(examples, field.name) for field in dataclasses.fields(examples)}
        spans = (document.spans for document in examples.documents)
        firsts = tuple(_firsts(each, these) for each, these in zip(spans, sentences, strict=True))
        return cls(**given, sentences=tuple(map(tuple, sentences)), firsts=firsts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row, window = super().__getitem__(index), self.windows[index]
        numbers, places = self.looked_at(window)
        row["sentence_starts"] = np.zeros(len(row["input_ids"]), np.int32)
        row["sentence_starts"][places] = 1
        if self.places is not None:
            row["supports"] = np.zeros_like(row["sentence_starts"])
            these = self.sentences[window.question]
            row["supports"][[place for n, place in zip(numbers, places, strict=True) if these[n].supports]] = 1
        return row

    def looked_at(self, window: Window) -> tuple[list[int], list[int]]:
        """Numbers of the sentences that are looked at in a window, and the place of its row where each begins."""
        firsts = self.firsts[window.question]
        numbers = np.flatnonzero((firsts >= window.first) & (firsts < window.last))
        return numbers.tolist(), (firsts[numbers] + self.before(window) - window.begin).tolist()


def _firsts(spans: Int[np.ndarray, "n 2"], sentences: Sequence[Sentence]) -> Int[np.ndarray, " m"]:
    """The first token of each that stands for a character of it which is no white space."""
    found = np.full(len(sentences), -1, np.int64)
    for number, ((start, end), _, _) in enumerate(sentences):
        inside = np.flatnonzero((spans[:, 1] > start) & (spans[:, 0] < end) & (spans[:, 1] > spans[:, 0]))
        found[number] = inside[0] if len(inside) else -1
    return found


class PadSupporting(PadReading):
    """As PadReading, with "sentence_starts" and "supports", 0 on padding."""

    by_token: ClassVar[tuple[str, ...]] = (*PadReading.by_token, "sentence_starts", "supports")
