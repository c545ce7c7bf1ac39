"""From the spans of each window of a document to the answers to its question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from data.questions import Question
from data.reading import ReadingExamples
from ops.attention import MASKED


class Candidate(NamedTuple):
    """Characters [start, end) of the document, and the probability that they are the answer."""

    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Found:
    """What a model finds for a question: candidates, best first, and the probability that there is no answer."""

    question: Question
    candidates: tuple[Candidate, ...]
    no_answer: float

    def silent(self, threshold: float) -> bool:
        """Whether "" is the answer: nothing was found, or there is none with a probability above `threshold`."""
        return not self.candidates or self.no_answer > threshold

    def text(self, threshold: float = 1.0) -> str:
        return "" if self.silent(threshold) else self.candidates[0].text

    def described(self, threshold: float, *, top: int) -> dict[str, Any]:
        """As the JSON object of a prediction."""
        silent = self.silent(threshold)
        best = Candidate("", 0, 0, self.no_answer) if silent else self.candidates[0]
        return {
            "origin": self.question.origin,
            "id": self.question.id,
            "answer": best.text,
            "probability": round(best.probability, 6),
            "span": None if silent else [best.start, best.end],
            "no_answer_probability": round(self.no_answer, 6),
            "candidates": [
                {"answer": each.text, "probability": round(each.probability, 6), "span": [each.start, each.end]}
                for each in self.candidates[:top]
            ],
        }


def found_in_windows(examples: ReadingExamples, rows: Sequence[int], answers: Mapping[str, np.ndarray]) -> Found:
    """Of one question, the answers to whose windows, the examples numbered `rows`, are the rows of `answers`.

    `answers` hold "scores", "starts" and "ends" [windows N] and "totals" [windows], as `ops.spans.best_spans` gives
    them, less the score of the first token: logarithms of how much likelier a span is than that its window holds none.
    Windows look for spans with different first tokens, so that each span is one place's of one window, and with the
    logarithm 0 of no answer at all they add up to 1.
    """
    question = examples.questions[examples.windows[rows[0]].question]
    total = np.logaddexp.reduce([0.0, *answers["totals"].astype(np.float64)])
    best: dict[tuple[int, int], float] = {}
    for at, row in enumerate(rows):
        window = examples.windows[row]
        for score, start, end in zip(*(answers[name][at] for name in ("scores", "starts", "ends")), strict=True):
            if score > MASKED / 2:
                place = examples.characters(window, int(start), int(end))
                chance = float(np.exp(score - total))
                best[place] = best.get(place, 0.0) + chance  # tokens that are parts of one character stand for the same
    order = sorted(best, key=lambda place: -best[place])
    told = (Candidate(question.document[a:b], a, b, best[a, b]) for a, b in order)
    return Found(question, tuple(each for each in told if each.text), float(np.exp(-total)))
