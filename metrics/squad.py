"""Exact match and F1 of answers to questions, as the official scripts of SQuAD 1.1 and 2.0 count them.

Source: Rajpurkar et al. 2016, section 6.1, and evaluate-v1.1.py; Rajpurkar et al. 2018, section 5, and
evaluate-v2.0.py.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from errors import InputError

VERSIONS = ("1.1", "2.0")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

Answers = Mapping[str, str]
"""The answer to each question, by its id; "" = it has none."""

References = Mapping[str, Sequence[str]]
"""What each annotator answered, by the question's id; empty = the question has no answer (2.0)."""


def normalized(text: str) -> str:
    """Lower-cased, without ASCII punctuation and then without the words a, an, the; single spaces between words."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, reference: str) -> float:
    """1 if both are the same once normalised, else 0."""
    return float(normalized(answer) == normalized(reference))


def word_f1(answer: str, reference: str, *, empty_is_right: bool = True) -> float:
    """Harmonic mean of precision and recall of the normalised words, each counted as often as it stands there.

    Where one has no word: 1 if the other has none either, else 0, as in SQuAD 2.0; always 0 if not `empty_is_right`, as
    in 1.1.
    """
    common, found, wanted = words_in_common(answer, reference)
    if not found or not wanted:
        return float(empty_is_right and found == wanted)
    return 2 * common / (found + wanted)


def words_in_common(answer: str, reference: str) -> tuple[int, int, int]:
    """How many normalised words both have, each counted as often as it stands there; and how many each has."""
    found, wanted = normalized(answer).split(), normalized(reference).split()
    return sum((Counter(found) & Counter(wanted)).values()), len(found), len(wanted)


def squad_scores(
    answers: Answers,
    references: References,
    *,
    version: str,
    no_answer: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """Percentages over the questions of `references`, each against the reference that suits its answer best.

    - "exact_match" and "f1"; in 1.1 a question that `answers` lacks scores 0;
    - 2.0 also "has_answer_..." and "no_answer_..." of both, over the questions with and without an answer (NaN if there
      are none of a kind). There a reference without a word, such as ".", is passed over;
    - with `no_answer`, the chance that a question has none: an answer counts as "" where it is above `threshold`; and
      "best_exact_match", "best_f1" with "best_exact_match_threshold", "best_f1_threshold" as `best_threshold` finds
      them, on the answers as they are.

    Raises:
      InputError: an unknown version, no question, or (2.0) a question without an answer or without its chance: the
        official script would leave it out of the mean.
    """
    if version not in VERSIONS:
        raise InputError(f"version={version!r} of SQuAD is not one of {', '.join(VERSIONS)}")
    if not references:
        raise InputError("there is no question to score")
    if version == "1.1":
        raw = _raw({key: answers.get(key) for key in references}, references, empty_is_right=False)
        return {name: _percentage(values.values()) for name, values in raw.items()}
    _refuse_missing(answers, references, "answer")
    raw = _raw(answers, {key: _answerable(given) for key, given in references.items()}, empty_is_right=True)
    has_answer = {key: bool(given) for key, given in references.items()}
    if no_answer is None:
        return _by_kind(raw, has_answer)
    _refuse_missing(no_answer, references, "chance of having none")
    silenced = {
        name: {key: float(not has_answer[key]) if no_answer[key] > threshold else v for key, v in values.items()}
        for name, values in raw.items()
    }
    found = _by_kind(silenced, has_answer)
    for name, values in raw.items():
        best, at = best_threshold(values, answers, no_answer, has_answer)
        found |= {f"best_{name}": best, f"best_{name}_threshold": at}
    return found


def best_threshold(
    scores: Mapping[str, float], answers: Answers, no_answer: Mapping[str, float], has_answer: Mapping[str, bool]
) -> tuple[float, float]:
    """The highest mean score, in percent, that some threshold on `no_answer` gives, and the first that gives it.

    Questions are let through one by one, from the least chance of having no answer; 0.0 lets none through.
    """
    now = best = float(sum(not has for has in has_answer.values()))
    at = 0.0
    for key in sorted((key for key in no_answer if key in scores), key=lambda key: no_answer[key]):
        now += scores[key] if has_answer[key] else -bool(answers[key])
        if now > best:
            best, at = now, no_answer[key]
    return 100 * best / len(scores), at


def _answerable(given: Sequence[str]) -> list[str]:
    return [text for text in given if normalized(text)] or [""]


def _raw(answers: Mapping[str, str | None], wanted: References, *, empty_is_right: bool) -> dict[str, dict[str, float]]:
    """By score and question; 0 where there is no answer at all."""

    def best(score: Callable[[str, str], float]) -> dict[str, float]:
        given = {key: answers[key] for key in wanted}
        return {
            key: 0.0 if text is None else max((score(text, one) for one in wanted[key]), default=0.0)
            for key, text in given.items()
        }

    return {"exact_match": best(exact_match), "f1": best(partial(word_f1, empty_is_right=empty_is_right))}


def _by_kind(scores: Mapping[str, Mapping[str, float]], has_answer: Mapping[str, bool]) -> dict[str, float]:
    found = {name: _percentage(values.values()) for name, values in scores.items()}
    for kind, has in (("has_answer", True), ("no_answer", False)):
        for name, values in scores.items():
            found[f"{kind}_{name}"] = _percentage([v for key, v in values.items() if has_answer[key] == has])
    return found


def _percentage(values: Iterable[float]) -> float:
    values = list(values)
    return 100 * sum(values) / len(values) if values else math.nan


def _refuse_missing(given: Mapping[str, object], references: References, what: str) -> None:
    missing = [key for key in references if key not in given]
    if missing:
        raise InputError(f"question {missing[0]!r} has no {what}, and {len(missing) - 1} others; give all of them")
