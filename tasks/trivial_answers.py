"""Answers that no model is needed for: what a trained one must be better than."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence

from data.questions import Question
from data.words import rough_sentences
from metrics.squad import normalized, squad_scores

_NAME = re.compile(r"\b[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*")


def best_trivial(questions: Sequence[Question], seen: Sequence[Question]) -> dict[str, object]:
    """Scores and name of the best by F1 of them all over `questions`; `seen` are the training split's."""
    references = {question.id: question.answer_texts for question in questions}
    version = "1.1" if all(references.values()) else "2.0"
    rows = []
    for name, answer in trivial_answers(seen).items():
        answers = {question.id: answer(question) for question in questions}
        scores = squad_scores(answers, references, version=version)
        rows.append({"name": name, "exact_match": scores["exact_match"], "f1": scores["f1"]})
    return max(rows, key=lambda row: row["f1"])


def trivial_answers(seen: Sequence[Question]) -> Mapping[str, Callable[[Question], str]]:
    """By name, what gives the answer to a question. The length of a phrase is the median of the answers in `seen`."""
    lengths = [len(text.split()) for question in seen for text in question.answer_texts[:1]]
    words = max(1, round(statistics.median(lengths or [1])))
    return {
        "no answer": lambda question: "",
        "the whole document": lambda question: question.document,
        "first words": lambda question: " ".join(question.document.split()[:words]),
        "first sentence": lambda question: sentences(question.document)[0],
        "sentence most like the question": likest_sentence,
        "phrase beside the question's words": lambda question: sliding_window(question, words),
        "longest name": longest_name,
    }


def sentences(document: str) -> list[str]:
    return rough_sentences(document) or [document]


def likest_sentence(question: Question) -> str:
    """The sentence with most of the question's words, each counted once; of equals the first."""
    asked = _words(question.text)
    return max(sentences(question.document), key=lambda text: len(asked & _words(text)))


def sliding_window(question: Question, words: int) -> str:
    """The phrase of so many words, none of them the question's, with most of the question's words within ten words.

    Source: the sliding window of Richardson et al. 2013, section 4, in short.
    """
    asked, document = _words(question.text), question.document.split()
    shared = [normalized(word) in asked for word in document]
    before = [0]
    for each in shared:
        before.append(before[-1] + each)
    free = [
        at for at in range(max(1, len(document) - words + 1)) if before[min(at + words, len(document))] == before[at]
    ]

    def near(at: int) -> int:
        return before[min(at + words + 10, len(document))] - before[max(0, at - 10)]

    at = max(free or [0], key=near)
    return " ".join(document[at : at + words])


def longest_name(question: Question) -> str:
    """The longest run of capitalised words that the question does not have."""
    names = [name for name in _NAME.findall(question.document) if name not in question.text]
    return max(names or [question.document], key=lambda name: len(name.split()))


def _words(text: str) -> set[str]:
    return set(normalized(text).split())
