"""Questions with windows of their documents, as tokens that know which characters they stand for."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from data.classification import PadTo, separators
from data.questions import Place, Question
from data.tokenizer import Tokenizer
from errors import InputError

WORD = re.compile(r"\w+")


class Document(NamedTuple):
    """Tokens, the characters [start, end) of each, and the number of the word that each begins in (-1: none)."""

    ids: Int[np.ndarray, " n"]
    spans: Int[np.ndarray, "n 2"]
    words: Int[np.ndarray, " n"]


class Window(NamedTuple):
    """Tokens [begin, end) of a question's document, of which an answer is looked for that starts in [first, last).

    A token of two windows is looked at in the one where more stands on both sides of it (Devlin et al. 2018, code).
    """

    question: int
    begin: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class ReadingExamples:
    """A source of rows cls, question, sep, window, sep; not padded. RoBERTa's have two sep in the middle.

    Each row: "input_ids", "index", "asked" (tokens up to the question's end), "answerable" (1 where an answer may begin
    or end: at the first token, which says that there is none, and at those of the window that are not white space
    alone), "starts" (1 where one is looked for), and where known "answers" [A 2], the first and last place of each
    annotator's answer, (0, 0) where the window does not hold it. With `token_types` of at least 2 also
    "token_type_ids": 0 question, 1 document, and with 3 the document's words that the question has too are 2.

    `cut` counts the questions that lost tokens, `widened` the answers that begin or end inside a token.
    """

    questions: tuple[Question, ...]
    asked: tuple[Int[np.ndarray, " _"], ...]
    shared: tuple[Int[np.ndarray, " _"], ...]  # numbers of each question's words
    documents: tuple[Document, ...]  # of each question; those alike are one
    places: tuple[Int[np.ndarray, "_ 2"], ...] | None  # first and last token of each answer in its document
    windows: tuple[Window, ...]
    lengths: Int[np.ndarray, " N"]
    between: tuple[int, ...]
    ends: tuple[int, int]  # cls, sep
    token_types: int
    cut: int
    widened: int

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        window = self.windows[index]
        asked, document = self.asked[window.question], self.documents[window.question]
        before = self.before(window)
        inside = document.ids[window.begin : window.end]
        parts = [self.ends[:1], asked, self.between, inside, self.ends[1:]]
        ids = np.concatenate([np.asarray(part, np.int32) for part in parts])
        answerable = np.zeros(len(ids), np.int32)
        answerable[0] = 1
        spans = document.spans[window.begin : window.end]
        answerable[before : before + len(inside)] = spans[:, 0] < spans[:, 1]
        looked_at = np.arange(len(ids)) - (before - window.begin)
        starts = np.where((looked_at >= window.first) & (looked_at < window.last), answerable, 0)
        row = {"input_ids": ids, "index": np.int32(index), "asked": 1 + len(asked)}
        row |= {"answerable": answerable, "starts": starts}
        if self.token_types >= 2:
            row["token_type_ids"] = self._types(window, len(ids))
        if self.places is not None:
            row["answers"] = self._answers(window)
        return row

    def told(self) -> str:
        """What a person wants to know of them, in one line."""
        without = sum(not question.answers for question in self.questions)
        answers = "" if self.places is None else f" ({without} without an answer)"  # unlabelled: none was read
        return (
            f"{len(self.questions)} questions{answers} in {len(self)} windows, median "
            f"{int(np.median(self.lengths))} tokens; {self.cut} questions cut, {self.widened} answers widened to whole "
            "tokens"
        )

    def thinned(self, kept: float, seed: int) -> "ReadingExamples":
        """With a drawn share of the windows that hold no answer of a question that has one."""
        empty = np.asarray([self._empty(window) for window in self.windows])
        numbers = np.flatnonzero(~empty | (np.random.default_rng(seed).random(len(empty)) < kept))
        windows = tuple(self.windows[number] for number in numbers)
        return replace(self, windows=windows, lengths=self.lengths[numbers])

    def _empty(self, window: Window) -> bool:
        places = self.places[window.question]
        return len(places) > 0 and not ((places[:, 0] >= window.begin) & (places[:, 1] < window.end)).any()

    def before(self, window: Window) -> int:
        """Places of its row before the document's first token."""
        return 1 + len(self.asked[window.question]) + len(self.between)

    def characters(self, window: Window, start: int, end: int) -> Place:
        """Those of the document that the row's places `start` to `end`, the last included, stand for."""
        spans, back = self.documents[window.question].spans, window.begin - self.before(window)
        return Place(int(spans[start + back, 0]), int(spans[end + back, 1]))

    def _types(self, window: Window, length: int) -> Int[np.ndarray, " n"]:
        before = self.before(window)
        types = (np.arange(length) >= before).astype(np.int32)
        if self.token_types >= 3:
            words = self.documents[window.question].words[window.begin : window.end]
            types[before : before + len(words)] += np.isin(words, self.shared[window.question])
        return types

    def _answers(self, window: Window) -> Int[np.ndarray, "A 2"]:
        places = self.places[window.question]
        held = (places[:, 0] >= window.begin) & (places[:, 1] < window.end)
        moved = np.where(held[:, None], places + (self.before(window) - window.begin), 0)
        return moved.astype(np.int32) if len(moved) else np.zeros((1, 2), np.int32)


def reading_examples(
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    *,
    length: int,
    stride: int,
    question_length: int,
    longest: int = 1,
    token_types: int = 0,
    labelled: bool = True,
) -> ReadingExamples:
    """Tokenise, and cut each document into windows that fit into `length` tokens beside its question.

    A window shares `stride` tokens with the next. The place from which the next one looks for first tokens of answers
    is half-way through these, or earlier, so that an answer of `longest` tokens, up to one more than are shared, is
    whole in the window that looks for it. Questions are cut at `question_length` tokens.

    Raises:
      InputError: if that leaves no room for what is new in a window; naming the question, if its text or its document
        has no token.
    """
    between = separators(tokenizer)
    least = length - 2 - len(between) - question_length
    if question_length < 1 or stride < 0 or least <= stride:
        raise InputError(
            f"data.length={length} leaves {least} tokens of a document beside a question of data.question_length="
            f"{question_length}, which must be more than the data.stride={stride} that windows share"
        )
    asked = tokenizer.encode_batch([question.text for question in questions])
    for question, ids in zip(questions, asked, strict=True):
        _refuse_empty(ids, question, "question")
    numbers: dict[str, int] = {}
    documents = _documents(questions, tokenizer, numbers)
    windows = []
    for number, (ids, document) in enumerate(zip(asked, documents, strict=True)):
        room = length - 2 - len(between) - min(len(ids), question_length)
        windows += _windows(number, len(document.ids), room, stride, longest)
    places = [_token_places(*each) for each in zip(questions, documents, strict=True)] if labelled else None
    kept = tuple(ids[:question_length] for ids in asked)
    return ReadingExamples(
        questions=tuple(questions),
        asked=kept,
        shared=tuple(_word_numbers(question.text, numbers) for question in questions),
        documents=documents,
        places=None if places is None else tuple(places),
        windows=tuple(windows),
        lengths=np.asarray([2 + len(between) + len(kept[w.question]) + w.end - w.begin for w in windows], np.int32),
        between=tuple(between),
        ends=(tokenizer.cls_id, tokenizer.sep_id),
        token_types=token_types,
        cut=sum(len(ids) > question_length for ids in asked),
        widened=sum(map(_widened, questions, documents, places)) if labelled else 0,
    )


def _refuse_empty(ids: np.ndarray, question: Question, what: str) -> None:
    if not len(ids):
        raise InputError(f"{question.origin}: the tokenizer finds no token in its {what}")


def _documents(questions: Sequence[Question], tokenizer: Tokenizer, numbers: dict[str, int]) -> tuple[Document, ...]:
    texts = list(dict.fromkeys(question.document for question in questions))
    encoded = tokenizer.encode_with_spans(texts)
    of = {
        text: Document(ids.astype(np.int32), _with_marks(text, spans), _words(text, spans, numbers))
        for text, (ids, spans) in zip(texts, encoded, strict=True)
    }
    for question in questions:
        _refuse_empty(of[question.document].ids, question, "document")
    return tuple(of[question.document] for question in questions)


def _with_marks(text: str, spans: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "n 2"]:
    """Each token's end moved over the combining marks behind it that no token has: some vocabularies leave accents out
    or write them together with their letter, and an answer would lose its last one.
    """
    points, at = np.unique(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), return_inverse=True)
    mark = np.asarray([unicodedata.category(chr(point)).startswith("M") for point in points], bool)[at]
    real = np.flatnonzero(spans[:, 0] < spans[:, 1])
    if not mark.any() or not len(real):
        return spans
    ends, following = spans[real, 1], np.append(spans[real[1:], 0], len(text))
    others = np.append(np.flatnonzero(~mark), len(text))
    reached = others[np.searchsorted(others, ends)]  # the first place from the end on that holds no mark
    moved = spans.copy()
    moved[real, 1] = np.maximum(ends, np.minimum(reached, following))
    return moved


def _words(text: str, spans: Int[np.ndarray, "n 2"], numbers: dict[str, int]) -> Int[np.ndarray, " n"]:
    """The number of the word that holds the first character of each token; -1 where none does. Case is no matter."""
    of_character = np.full(len(text) + 1, -1, np.int32)
    for word in WORD.finditer(text):
        of_character[word.start() : word.end()] = numbers.setdefault(word.group().casefold(), len(numbers))
    return np.where(spans[:, 0] < spans[:, 1], of_character[spans[:, 0]], -1)


def _word_numbers(text: str, numbers: dict[str, int]) -> Int[np.ndarray, " _"]:
    found = {numbers[word] for word in map(str.casefold, WORD.findall(text)) if word in numbers}
    return np.asarray(sorted(found), np.int32)


def _windows(question: int, tokens: int, room: int, stride: int, longest: int) -> list[Window]:
    begins = [0]
    while begins[-1] + room < tokens:
        begins.append(begins[-1] + room - stride)
    looks = max(0, min(stride // 2, stride - longest + 1))
    edges = [0, *(begin + looks for begin in begins[1:]), tokens]
    ends = [min(begin + room, tokens) for begin in begins]
    return [Window(question, *each) for each in zip(begins, ends, edges[:-1], edges[1:], strict=True)]


def _token_places(question: Question, document: Document) -> Int[np.ndarray, "A 2"]:
    """First and last token of each answer: of those that stand for a character of it that is no white space."""
    places = np.zeros((len(question.answers), 2), np.int64)
    starts, ends = document.spans.T
    for number, place in enumerate(question.answers):
        begin, end = _stripped(question.document, place)
        inside = np.flatnonzero((ends > begin) & (starts < end) & (ends > starts))
        if not len(inside):
            raise InputError(
                f"{question.origin}: the tokenizer leaves out its answer {question.document[begin:end][:80]!r}"
            )
        places[number] = inside[[0, -1]]
    return places


def _widened(question: Question, document: Document, places: Int[np.ndarray, "A 2"]) -> int:
    wanted = np.asarray([_stripped(question.document, place) for place in question.answers]).reshape(-1, 2)
    found = np.stack([document.spans[places[:, 0], 0], document.spans[places[:, 1], 1]], axis=1)
    return int((wanted != found).any(1).sum())


def _stripped(text: str, place: Place) -> Place:
    marked = text[place.start : place.end]
    start = place.start + len(marked) - len(marked.lstrip())
    return Place(start, start + len(marked.strip()))


@dataclass(frozen=True)
class PadReading(PadTo):
    """As PadTo, with "answerable" and "starts", 0 on padding; with `global_question`, global attention on the first
    token and the question.
    """

    by_token: ClassVar[tuple[str, ...]] = (*PadTo.by_token, "answerable", "starts")

    global_question: bool = False

    def __call__(
        self, examples: Sequence[dict[str, Any]], longest: int | None = None
    ) -> dict[str, Shaped[np.ndarray, "b ..."]]:
        batch = super().__call__(examples, longest)
        if self.global_question:
            asked = np.asarray([e["asked"] for e in examples])
            length = batch["input_ids"].shape[1]
            batch["global_attention_mask"] = (np.arange(length) < asked[:, None]).astype(np.int32)
        return batch
