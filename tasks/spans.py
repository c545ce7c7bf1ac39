"""From logits of first and last tokens to a loss and to spans; from the spans of all windows to the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.questions import Question
from data.reading import ReadingExamples
from metrics.squad import squad_scores
from ops.attention import MASKED
from ops.losses import cross_entropy_sums
from ops.spans import best_spans
from tasks.task import Batch, Totals


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


def span_totals(told: Any, batch: Mapping[str, jax.Array]) -> Totals:
    """The mean of the two cross-entropies of `start_logits` and `end_logits`, each over the places of an answer."""
    logits, labels = jnp.stack(_masked(told, batch), axis=1), batch["labels"]  # [B 2 S], [B 2]
    weights = batch.get("example_weights", jnp.ones(labels.shape[:1], jnp.float32))
    loss, weight = cross_entropy_sums(logits, labels, jnp.broadcast_to(weights[:, None] / 2, labels.shape))
    right = (logits.argmax(-1) == labels).all(-1)
    return {"loss": loss, "weight": weight, "right": (right * weights).sum()}


def span_answers(told: Any, batch: Mapping[str, jax.Array], *, longest: int, count: int) -> dict[str, jax.Array]:
    """Of each window the `count` best spans of up to `longest` tokens, as `found_in_windows` takes them."""
    start, end = _masked(told, batch)
    context = (batch["answerable"] != 0).at[:, 0].set(False)
    spans = best_spans(start, end, starts=batch["starts"] != 0, ends=context, longest=longest, count=count)
    none = start[:, 0] + end[:, 0]
    scores = jnp.where(spans.scores > MASKED / 2, spans.scores - none[:, None], MASKED)
    return {"scores": scores, "starts": spans.starts, "ends": spans.ends, "totals": spans.total - none}


def _masked(told: Any, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Logits of the first and of the last token, far below all others where no answer may stand."""
    may = batch["answerable"] != 0
    return jnp.where(may, told.start_logits, MASKED), jnp.where(may, told.end_logits, MASKED)


def joined(parts: Sequence[Batch]) -> Batch:
    """Answers to several batches as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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


def references_of(found: Sequence[Found]) -> dict[str, tuple[str, ...]]:
    """All that annotators marked, by the question's id."""
    return {each.question.id: each.question.answer_texts for each in found}


def fitting_threshold(found: Sequence[Found]) -> float:
    """The probability of no answer above which none is best given (F1), where some of these questions have none: half
    way, in log odds, from the last chance that is let through to the next, so that what is as sure in another split is
    not cut off.
    """
    answers = {each.question.id: each.text() for each in found}
    chances = {each.question.id: each.no_answer for each in found}
    last = squad_scores(answers, references_of(found), version="2.0", no_answer=chances)["best_f1_threshold"]
    ends = last, min((chance for chance in chances.values() if chance > last), default=1.0)
    odds = [np.log(chance) - np.log1p(-chance) for chance in np.clip(ends, 1e-15, 1 - 1e-15)]
    return float(1 / (1 + np.exp(-np.mean(odds))))
