"""Questions with answers to choose from: one row for each choice, of the text and of the question with that choice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from data.classification import ClassificationExamples, classification_examples
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TEXT, SECOND = "text of the row", "question with the choice"


@dataclass(frozen=True)
class ChoiceExamples:
    """A source of {"rows": [one example of ClassificationExamples for each choice], "room": int, "index": int} and,
    where known, "label", the place of the right choice. There is room for the choices of any question.

    `choices` are the texts of each question's; `lengths` are in tokens, of the longest row of a question. `truncated`
    counts the rows that lost some.
    """

    flat: ClassificationExamples
    choices: tuple[tuple[str, ...], ...]
    labels: Int[np.ndarray, " N"] | None
    origins: tuple[str, ...]

    @cached_property
    def _bounds(self) -> Int[np.ndarray, "N 2"]:
        """The first row of each question, and the one after its last."""
        ends = np.cumsum([len(each) for each in self.choices])
        return np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)

    @property
    def ids(self) -> tuple[Int[np.ndarray, " _"], ...]:
        """Of all rows, one after another."""
        return self.flat.ids

    @cached_property
    def most(self) -> int:
        """Choices of the question that has the most."""
        return max(map(len, self.choices))

    @cached_property
    def lengths(self) -> Int[np.ndarray, " N"]:
        return np.maximum.reduceat(self.flat.lengths, self._bounds[:, 0])

    @property
    def truncated(self) -> int:
        return self.flat.truncated

    def __len__(self) -> int:
        return len(self.choices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = [self.flat[int(row)] for row in range(*self._bounds[index])]
        example = {"rows": rows, "room": self.most, "index": np.int32(index)}
        return example if self.labels is None else example | {"label": self.labels[index]}


def choice_examples(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    *,
    length: int,
    text: str,
    choices: str,
    question: str = "",
    label: str | None = "label",
    blank: str = "",
) -> ChoiceExamples:
    """Rows of the field `text` and of `question` followed by a choice, or with it in place of `blank` if that is there.

    Where the question's field is a list, so are those of choices and labels, and each entry is a question of its own
    about the same text. A label is the place of a choice, counted from 0, its letter or its text.

    Raises:
      InputError: naming file and line, for a missing field, fewer than two choices, lists that are empty or of unequal
        length, or a label that is no choice.
    Source: Liu et al. 2019, section 5.3, and code (a choice in place of RACE's "_").
    """
    asked = [each for record in records for each in _questions(record, question, choices, label)]
    rows, offered, labels = [], [], []
    for record in asked:
        found = choices_of(record, choices)
        if label is not None:
            labels.append(place_of(record, label, found, letters=True))
        said = record.text(question) if question else ""
        first = record.text(text)
        rows += [Record({TEXT: first, SECOND: _joined(said, choice, blank)}, record.origin) for choice in found]
        offered.append(found)
    flat = classification_examples(rows, tokenizer, length=length, classes=(), text=TEXT, pair=SECOND, label=None)
    return ChoiceExamples(
        flat=flat,
        choices=tuple(offered),
        labels=None if label is None else np.asarray(labels, np.int32),
        origins=tuple(record.origin for record in asked),
    )


def _questions(record: Record, question: str, choices: str, label: str | None) -> Iterator[Record]:
    """The record itself, or one for each of its questions, whose origin says which, counted from 1."""
    if not question or not isinstance(record.get(question), list | tuple):
        yield record
        return
    fields = [field for field in (question, choices, label) if field]
    lists = [record.get(field) for field in fields]
    sizes = {len(each) if isinstance(each, list | tuple) else -1 for each in lists}
    if len(sizes) != 1 or -1 in sizes:
        raise InputError(
            f"{record.origin}: its {', '.join(fields)} are not lists of equal length, one entry a question"
        )
    if sizes == {0}:
        raise InputError(f"{record.origin}: its {question} are an empty list; ask something or remove the record")
    for number, values in enumerate(zip(*lists, strict=True), start=1):
        yield Record(record.values | dict(zip(fields, values, strict=True)), f"{record.origin}, question {number}")


def choices_of(record: Record, field: str) -> tuple[str, ...]:
    """Raises InputError, naming file and line, for less than two texts."""
    found = record.get(field)
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise InputError(f"{record.origin}: its {field} are {str(found)[:80]!r}, not a list of texts")
    if len(found) < 2:
        raise InputError(f"{record.origin}: has {len(found)} {field}, and there is nothing to choose below 2")
    return tuple(found)


def place_of(record: Record, field: str, choices: Sequence[str], *, letters: bool = False) -> int:
    """Of the right choice: told as its place or its text, or with `letters` as its letter.

    Raises:
      InputError: naming file and line, for what is none of these, or the letter of one choice and the text of another.
    """
    value, last = record.get(field), len(choices) - 1
    if isinstance(value, str):
        found = {choices.index(value)} if choices.count(value) == 1 else set()
        if letters and len(value) == 1 and value in LETTERS[: len(choices)]:
            found.add(LETTERS.index(value))
        if len(found) > 1:
            raise InputError(
                f"{record.origin}: the {field} {value!r} is the letter of one choice and the text of another: "
                f"write its place, a number of 0 to {last}"
            )
        if found:
            return found.pop()
    elif not isinstance(value, bool) and isinstance(value, int) and 0 <= value <= last:
        return value
    letter = f"its letter, A to {LETTERS[min(last, 25)]}, " if letters else ""
    raise InputError(
        f"{record.origin}: the {field} {str(value)[:80]!r} is no choice: write its place, a number of 0 to {last}, "
        f"{letter}or its text, if no other choice has the same"
    )


def _joined(question: str, choice: str, blank: str) -> str:
    if blank and blank in question:
        return question.replace(blank, choice)
    return f"{question} {choice}" if question else choice
