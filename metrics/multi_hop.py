"""Answers, and the sentences that support them, each scored and both together, as HotpotQA counts.

Source: Yang et al. 2018, section 5.1, and hotpot_evaluate_v1.py.
"""

from collections.abc import Collection, Hashable, Iterable
from typing import NamedTuple

from metrics.squad import normalized, words_in_common

SPECIAL = ("yes", "no", "noanswer")  # an answer that is one of these is wrong unless it is the very one
KINDS = ("", "support_", "joint_")
SCORES = tuple(f"{kind}{name}" for kind in KINDS for name in ("exact_match", "f1"))


class Match(NamedTuple):
    """How well one answer fits; all between 0 and 1."""

    exact: float = 0.0
    precision: float = 0.0
    recall: float = 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def and_also(self, other: "Match") -> "Match":
        """Of two things that should both be right."""
        return Match(*(one * two for one, two in zip(self, other, strict=True)))


def answer_match(answer: str, right: str) -> Match:
    """By the words in common; nothing where one is `SPECIAL` and the other is not the same."""
    said, wanted = normalized(answer), normalized(right)
    exact = float(said == wanted)
    common, found, all_ = words_in_common(answer, right)
    if not common or (not exact and (said in SPECIAL or wanted in SPECIAL)):
        return Match(exact)
    return Match(exact, common / found, common / all_)


def support_match(found: Collection[Hashable], right: Collection[Hashable]) -> Match:
    found, right = set(found), set(right)
    both = len(found & right)
    return Match(float(found == right), both / len(found) if found else 0.0, both / len(right) if right else 0.0)


def multi_hop_scores(pairs: Iterable[tuple[Match, Match]]) -> dict[str, float]:
    """Percentages by the names of `SCORES`, means over questions of what fits of (answer, supporting sentences)."""
    rows = [(answer, support, answer.and_also(support)) for answer, support in pairs]
    told = [[score for match in row for score in (match.exact, match.f1)] for row in rows]
    means = [100 * sum(column) / len(rows) for column in zip(*told, strict=True)] or [0.0] * len(SCORES)
    return dict(zip(SCORES, means, strict=True))
