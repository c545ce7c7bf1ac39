"""Coreference scored: the worked example of the reference scorer's paper, and what must hold of any clusters."""

import itertools

import numpy as np
import pytest

from metrics.coreference import MEASURES, SCORES, b_cubed, ceaf_e, mentions, muc, scores


def sets(*clusters: str):
    return [frozenset(cluster) for cluster in clusters]


# Pradhan et al. 2014, section 4: key {a b c} {d e f g}, response {a b} {c d} {f g h i}.
WANTED, FOUND = sets("abc", "defg"), sets("ab", "cd", "fghi")


@pytest.mark.parametrize(
    ("measure", "recall", "precision"),
    [
        (muc, 2 / 5, 2 / 5),
        (b_cubed, (4 / 3 + 1 / 3 + 1 / 4 + 4 / 4) / 7, (4 / 2 + 1 / 2 + 1 / 2 + 4 / 4) / 8),
        (ceaf_e, (2 * 2 / 5 + 2 * 2 / 8) / 2, (2 * 2 / 5 + 2 * 2 / 8) / 3),
        (mentions, 6 / 7, 6 / 8),
    ],
)
def test_the_published_example(measure, recall, precision):
    told = measure(FOUND, WANTED)
    assert told.recall == pytest.approx(100 * recall)
    assert told.precision == pytest.approx(100 * precision)
    assert told.f1 == pytest.approx(200 * recall * precision / (recall + precision))


def test_the_mean_of_three_measures_over_documents():
    told = scores([(FOUND, WANTED), (WANTED, WANTED), ([], sets("xy")), (sets("xy"), [])])
    assert tuple(told) == SCORES
    assert told["conll_f1"] == pytest.approx((told["muc_f1"] + told["b_cubed_f1"] + told["ceaf_e_f1"]) / 3)
    # links: 2 of 5 and 5 of 5 are right, one is wanted in vain and one found in vain
    assert told["muc_f1"] == pytest.approx(100 * 7 / 11)
    assert told["mention_f1"] == pytest.approx(100 * 2 * (6 + 7) / ((8 + 7 + 2) + (7 + 7 + 2)))


def test_all_right_is_100_and_nothing_is_0():
    assert set(scores([(WANTED, WANTED)]).values()) == {100.0}
    assert set(scores([([], WANTED)]).values()) == {0.0}
    assert set(scores([]).values()) == {0.0}


def drawn(dice: np.random.Generator) -> list[frozenset]:
    owners = dice.integers(0, 5, 9)  # 0: in no cluster
    return [frozenset(np.flatnonzero(owners == n).tolist()) for n in range(1, 5) if (owners == n).sum() > 1]


def test_against_slow_and_plain_counts():
    """B-cubed mention by mention, MUC by joining pieces, CEAF by every matching."""
    dice = np.random.default_rng(0)
    for _ in range(60):
        found, wanted = drawn(dice), drawn(dice)
        assert b_cubed(found, wanted).recalled == pytest.approx(slow_b_cubed(found, wanted))
        assert muc(found, wanted).recalled == slow_links(found, wanted)
        assert ceaf_e(found, wanted).precise == pytest.approx(slow_ceaf(found, wanted))


def slow_b_cubed(found, wanted) -> float:
    total = 0.0
    for cluster in wanted:
        for mention in cluster:
            other = next((each for each in found if mention in each), frozenset())
            total += len(cluster & other) / len(cluster)
    return total


def slow_links(found, wanted) -> int:
    links = 0
    for cluster in wanted:
        pieces = {frozenset(cluster & each) for each in found if cluster & each}
        alone = cluster - frozenset().union(*pieces)
        links += len(cluster) - len(pieces) - len(alone)
    return links


def slow_ceaf(found, wanted) -> float:
    fewer, more = sorted((found, wanted), key=len)
    return max(
        sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(fewer, order, strict=True))
        for order in itertools.permutations(more, len(fewer))
    )


def test_found_and_wanted_change_places_as_precision_and_recall_do():
    dice = np.random.default_rng(1)
    for measure in MEASURES.values():
        found, wanted = drawn(dice), drawn(dice)
        one, other = measure(found, wanted), measure(wanted, found)
        assert (one.precision, one.recall) == pytest.approx((other.recall, other.precision))
