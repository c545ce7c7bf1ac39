"""Corner cases by hand, counted as srl-eval.pl counts them."""

import pytest

from errors import InputError
from metrics.srl import Counts, arguments, count_arguments, srl_counts

V = (2, 3, "V")


def test_the_predicate_itself_does_not_count_nor_what_continues_it():
    wanted = [(0, 2, "A0"), V, (5, 6, "C-V")]
    assert count_arguments([(0, 2, "A0")], wanted) == Counts(1, 0, 0)
    assert count_arguments([(0, 2, "A0"), (2, 4, "V")], wanted) == Counts(1, 0, 0)


def test_label_and_both_ends_must_be_right():
    wanted = [(0, 2, "A0")]
    assert count_arguments([(0, 2, "A1")], wanted) == Counts(0, 1, 1)
    assert count_arguments([(0, 1, "A0")], wanted) == Counts(0, 1, 1)
    assert count_arguments([(1, 2, "A0"), (0, 2, "A0")], wanted) == Counts(1, 1, 0)
    assert count_arguments([], wanted) == Counts(0, 0, 1)


def test_the_parts_of_an_argument_are_one_argument():
    wanted = [(0, 2, "A1"), V, (3, 4, "C-A1"), (5, 6, "C-A1")]
    assert arguments(wanted)[0] == ("A1", ((0, 2), (3, 4), (5, 6)))
    assert count_arguments(wanted, wanted) == Counts(1, 0, 0)
    assert count_arguments(wanted[:3], wanted) == Counts(0, 1, 1)
    # Two whole arguments are not one in two parts.
    assert count_arguments([(0, 2, "A1"), (3, 4, "A1")], [(0, 2, "A1"), (3, 4, "C-A1")]) == Counts(0, 2, 1)


def test_a_part_continues_the_last_argument_of_its_label():
    spans = [(0, 1, "A1"), (2, 3, "A1"), (4, 5, "C-A1")]
    assert arguments(spans) == [("A1", ((0, 1),)), ("A1", ((2, 3), (4, 5)))]


def test_a_part_of_nothing_is_an_argument_and_may_be_continued():
    assert arguments([(3, 4, "C-A1"), (0, 1, "A0"), (5, 6, "C-A1")]) == [("A0", ((0, 1),)), ("A1", ((3, 4), (5, 6)))]
    assert count_arguments([(0, 1, "C-A1")], [(0, 1, "A1")]) == Counts(1, 0, 0)
    # What comes first in the sentence is not continued by what stands before it.
    assert arguments([(3, 4, "A1"), (0, 1, "C-A1")]) == [("A1", ((0, 1),)), ("A1", ((3, 4),))]


def test_a_reference_is_a_label_of_its_own():
    wanted = [(0, 1, "A0"), (1, 2, "R-A0")]
    assert count_arguments([(0, 1, "A0"), (1, 2, "A0")], wanted) == Counts(1, 1, 1)
    assert count_arguments(wanted, wanted) == Counts(2, 0, 0)
    assert arguments([(0, 1, "R-A0"), (2, 3, "C-R-A0")]) == [("R-A0", ((0, 1), (2, 3)))]


def test_an_argument_found_twice_is_right_once():
    assert count_arguments([(0, 1, "A0"), (0, 1, "A0")], [(0, 1, "A0")]) == Counts(1, 1, 0)


def test_precision_recall_and_f1_come_from_the_sums_over_predicates():
    found = [[(0, 1, "A0"), (3, 4, "A1")], [], [(0, 1, "A0")]]
    wanted = [[(0, 1, "A0"), V], [(0, 1, "A1"), V], []]
    counts = srl_counts(found, wanted)
    assert counts == Counts(1, 2, 1)
    assert counts.precision == pytest.approx(100 / 3)
    assert counts.recall == pytest.approx(50)
    assert counts.f1 == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2) * 100)


def test_nothing_to_find_and_nothing_found_score_zero_as_in_the_official_script():
    assert srl_counts([[]], [[V]]) == Counts()
    assert Counts().precision == Counts().recall == Counts().f1 == 0
    assert Counts(0, 3, 0).f1 == 0


def test_predicates_must_go_together():
    with pytest.raises(InputError, match="the roles of 1 predicates do not go with those of 2"):
        srl_counts([[]], [[], []])
