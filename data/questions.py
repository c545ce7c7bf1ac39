"""Questions about documents, with the places of their answers verified: what any source's records are read into."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from data.records import Record
from errors import InputError

MISPLACED = ("refuse", "nearest")


class Place(NamedTuple):
    """Characters [start, end) of a document."""

    start: int
    end: int


@dataclass(frozen=True)
class Question:
    """`answers`: what each annotator marked, in the file's order; none: the document does not answer it."""

    id: str
    text: str
    document: str
    answers: tuple[Place, ...]
    origin: str

    @property
    def answer_texts(self) -> tuple[str, ...]:
        return tuple(self.document[start:end] for start, end in self.answers)


@dataclass(frozen=True)
class Questions:
    """Those of a split; `moved` counts the answers that did not stand where the file says."""

    all: tuple[Question, ...]
    moved: int


def read_questions(
    records: Sequence[Record],
    *,
    labelled: bool,
    document: str = "context",
    question: str = "question",
    misplaced: str = "refuse",
) -> Questions:
    """The fields id, `document`, `question` and, if `labelled`, answers and is_impossible of each record.

    Answers are a list of {"text", "answer_start" or "start"} or, as TFDS has it, an object of two such lists; the start
    is a character of the document, from 0. A question without answers says is_impossible. An answer that does not stand
    at its start is refused or, where `misplaced` is "nearest", moved to the nearest place where it does stand, and
    counted.

    Raises:
      InputError: naming the question, for anything else: an id twice, an empty document, a field of another type.
    """
    if misplaced not in MISPLACED:
        raise InputError(f"data.misplaced_answers={misplaced!r} is not one of {', '.join(MISPLACED)}")
    found: dict[str, Question] = {}
    moved = 0
    for record in records:
        origin = record.origin
        number = _id(record)
        if number in found:
            raise InputError(f"{origin}: the id {number!r} is also that of {found[number].origin}; give each its own")
        text = _text(record, document)
        marked = _marked(record) if labelled else []
        places = [_placed(text, *each, nearest=misplaced == "nearest", origin=origin) for each in marked]
        moved += sum(place.start != start for place, (_, start) in zip(places, marked, strict=True))
        found[number] = Question(number, _text(record, question), text, tuple(places), origin)
    return Questions(tuple(found.values()), moved)


def _id(record: Record) -> str:
    value = record.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{record.origin}: the id is {type(value).__name__}, not text or a whole number")
    return str(value)


def _text(record: Record, field: str) -> str:
    value = record.text(field)
    if not value.strip():
        raise InputError(f"{record.origin}: the field {field!r} is empty; give it a text or remove the question")
    return value


def _marked(record: Record) -> list[tuple[str, int]]:
    """(text, start) of each answer."""
    answers, impossible = record.get("answers"), record.values.get("is_impossible", False)
    if not isinstance(impossible, bool):
        raise InputError(f"{record.origin}: is_impossible is {type(impossible).__name__}, not true or false")
    if isinstance(answers, dict):
        answers = _transposed(answers, record.origin)
    if not isinstance(answers, list):
        raise InputError(f"{record.origin}: the answers are {type(answers).__name__}, not a list")
    if impossible and answers:
        raise InputError(f"{record.origin}: is_impossible, yet it has answers; remove one or the other")
    if not impossible and not answers:
        raise InputError(f"{record.origin}: has no answer; say is_impossible if the document does not answer it")
    return [_answer(each, record.origin) for each in answers]


def _transposed(answers: dict[str, Any], origin: str) -> list[dict[str, Any]]:
    lists = [answers.get("text"), answers.get("answer_start", answers.get("start"))]
    if not all(isinstance(each, list) for each in lists) or len(lists[0]) != len(lists[1]):
        raise InputError(f"{origin}: the answers should hold lists text and answer_start of one length")
    return [{"text": text, "answer_start": start} for text, start in zip(*lists, strict=True)]


def _answer(value: Any, origin: str) -> tuple[str, int]:
    text = value.get("text") if isinstance(value, dict) else None
    start = value.get("answer_start", value.get("start")) if isinstance(value, dict) else None
    if not isinstance(text, str) or isinstance(start, bool) or not isinstance(start, int):
        raise InputError(f"{origin}: an answer should be a text and an answer_start (characters), got {value!r:.80}")
    if not text.strip():
        raise InputError(f"{origin}: an answer is empty; a question without an answer says is_impossible")
    return text, start


def _placed(document: str, text: str, start: int, *, nearest: bool, origin: str) -> Place:
    if start >= 0 and document.startswith(text, start):
        return Place(start, start + len(text))
    if text not in document:
        raise InputError(f"{origin}: the answer {text[:80]!r} stands nowhere in the document; correct or remove it")
    if not nearest:
        raise InputError(
            f"{origin}: the answer {text[:80]!r} does not stand at character {start} of the document; correct it, or "
            "set data.misplaced_answers=nearest to have such answers moved and counted"
        )
    before = document.rfind(text, 0, max(start, 0) + len(text) - 1)
    after = document.find(text, max(start, 0))
    at = min((place for place in (before, after) if place >= 0), key=lambda place: abs(place - start))
    return Place(at, at + len(text))
