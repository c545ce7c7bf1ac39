"""Labelled precision, recall and F1 of arguments, as srl-eval.pl of the CoNLL-2005 shared task counts them.

Source: Carreras and Màrquez 2005, section 3.2, and srl-eval.pl (February 2005).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from errors import InputError

Span = tuple[int, int, str]
"""First word, one past the last word, label."""
Argument = tuple[str, tuple[tuple[int, int], ...]]
"""Label, and its parts from left to right."""


@dataclass(frozen=True)
class Counts:
    """Arguments found rightly, found that are none, and missed; counts of several predicates may be added."""

    right: int = 0
    excess: int = 0
    missed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.right + other.right, self.excess + other.excess, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Percent; 0 if nothing was found."""
        return _percent(self.right, self.right + self.excess)

    @property
    def recall(self) -> float:
        """Percent; 0 if there was nothing to find."""
        return _percent(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        return _percent(2 * self.right, 2 * self.right + self.excess + self.missed)


def arguments(spans: Iterable[Span]) -> list[Argument]:
    """The arguments of one predicate, from its spans.

    A span C-X is a further part of the last argument X that began before it; where there is none it is an argument X,
    and later C-X are parts of it. R-X is a label like any other.
    """
    found: list[tuple[str, list[tuple[int, int]]]] = []
    for begin, end, label in sorted(spans):
        plain = label.removeprefix("C-")
        open_ = [parts for of, parts in found if of == plain] if plain != label else []
        if open_:
            open_[-1].append((begin, end))
        else:
            found.append((plain, [(begin, end)]))
    return [(label, tuple(parts)) for label, parts in found]


def count_arguments(found: Iterable[Span], wanted: Iterable[Span]) -> Counts:
    """Counts for one predicate. An argument is right if its label and all its parts are; V is left out, C-V with it.

    Each argument that is wanted is found once: a second one just like it is excess.
    """
    left = [each for each in arguments(wanted) if each[0] != "V"]
    right = excess = 0
    for each in arguments(found):
        if each[0] == "V":
            continue
        if each in left:
            left.remove(each)
            right += 1
        else:
            excess += 1
    return Counts(right, excess, len(left))


def srl_counts(found: Sequence[Sequence[Span]], wanted: Sequence[Sequence[Span]]) -> Counts:
    """The sum over predicates; both hold the spans of the same predicates in the same order.

    Raises:
      InputError: there are not as many of one as of the other.
    """
    if len(found) != len(wanted):
        raise InputError(f"the roles of {len(found)} predicates do not go with those of {len(wanted)}")
    pairs = zip(found, wanted, strict=True)
    return sum((count_arguments(one, other) for one, other in pairs), Counts())


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
