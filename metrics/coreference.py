"""Scores of coreference: MUC, B-cubed, CEAF-e and their mean, as the CoNLL-2012 shared task counts them.

Clusters are sets of mentions, which may be anything that can be compared; no mention stands in two clusters of a
document. Counts of several documents are added before anything is divided.
Source: Pradhan et al. 2014, section 3.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

Clusters = Sequence[frozenset[Hashable]]


@dataclass(frozen=True)
class Shares:
    """How much of what was found is right, and how much of what was wanted was found; each with its whole."""

    precise: float = 0.0
    found: float = 0.0
    recalled: float = 0.0
    wanted: float = 0.0

    def __add__(self, other: "Shares") -> "Shares":
        return Shares(
            self.precise + other.precise,
            self.found + other.found,
            self.recalled + other.recalled,
            self.wanted + other.wanted,
        )

    @property
    def precision(self) -> float:
        """Percent; 0 if nothing was found."""
        return 100 * self.precise / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Percent; 0 if there was nothing to find."""
        return 100 * self.recalled / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def mentions(found: Clusters, wanted: Clusters) -> Shares:
    """Mentions found, whatever their cluster."""
    here, there = (set().union(*clusters) for clusters in (found, wanted))
    both = float(len(here & there))
    return Shares(both, len(here), both, len(there))


def muc(found: Clusters, wanted: Clusters) -> Shares:
    """Links: a cluster of n mentions has n - 1, and lacks one for each further piece that the other side has it in.

    Source: Vilain et al. 1995.
    """
    return Shares(*_links(found, wanted), *_links(wanted, found))


def b_cubed(found: Clusters, wanted: Clusters) -> Shares:
    """For each mention, the share of its cluster that is in its cluster on the other side.

    Source: Bagga and Baldwin 1998.
    """
    return Shares(*_neighbours(found, wanted), *_neighbours(wanted, found))


def ceaf_e(found: Clusters, wanted: Clusters) -> Shares:
    """Clusters matched one to one so that their likeness 2 |A and B| / (|A| + |B|) has the greatest sum.

    Source: Luo 2005, its measure phi 4.
    """
    if not found or not wanted:
        return Shares(found=len(found), wanted=len(wanted))
    like = np.asarray([[2 * len(a & b) / (len(a) + len(b)) for b in wanted] for a in found])
    best = float(like[linear_sum_assignment(-like)].sum())
    return Shares(best, len(found), best, len(wanted))


MEASURES: dict[str, Callable[[Clusters, Clusters], Shares]] = {
    "mention": mentions,
    "muc": muc,
    "b_cubed": b_cubed,
    "ceaf_e": ceaf_e,
}
SCORES = (*(f"{name}_f1" for name in MEASURES), "conll_f1")


def scores(documents: Iterable[tuple[Clusters, Clusters]]) -> dict[str, float]:
    """Percentages by the names of `SCORES`, of pairs (found, wanted); conll_f1 is the mean of the three measures'."""
    sums = dict.fromkeys(MEASURES, Shares())
    for found, wanted in documents:
        sums = {name: sums[name] + measure(found, wanted) for name, measure in MEASURES.items()}
    told = {f"{name}_f1": total.f1 for name, total in sums.items()}
    return told | {"conll_f1": (told["muc_f1"] + told["b_cubed_f1"] + told["ceaf_e_f1"]) / 3}


def _owners(clusters: Clusters) -> dict[Hashable, int]:
    return {mention: number for number, cluster in enumerate(clusters) for mention in cluster}


def _links(clusters: Clusters, others: Clusters) -> tuple[float, float]:
    """Links of `clusters` that `others` have too, and all. A mention that is in none of those is a piece by itself."""
    owners = _owners(others)
    pieces = [len({owners.get(mention, (mention,)) for mention in cluster}) for cluster in clusters]
    sizes = [len(cluster) for cluster in clusters]
    return float(sum(sizes) - sum(pieces)), float(sum(sizes) - len(sizes))


def _neighbours(clusters: Clusters, others: Clusters) -> tuple[float, float]:
    shared = sum(len(cluster & other) ** 2 / len(cluster) for cluster in clusters for other in others)
    return float(shared), float(sum(map(len, clusters)))
