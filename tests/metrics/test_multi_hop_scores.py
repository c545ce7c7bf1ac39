"""Answers and their supporting sentences, scored as HotpotQA's script does it: worked through by hand."""

import pytest

from metrics.multi_hop import SCORES, Match, answer_match, multi_hop_scores, support_match


@pytest.mark.parametrize(
    ("answer", "right", "f1", "exact"),
    [
        ("the city of Lima", "Lima", 0.5, 0),
        ("The Lima!", "lima", 1.0, 1),
        ("Yes.", "yes", 1.0, 1),
        ("yes indeed", "yes", 0.0, 0),
        ("yes", "yes indeed", 0.0, 0),
        ("no answer", "noanswer", 0.0, 0),
        ("Oslo", "Lima", 0.0, 0),
        ("", "the", 0.0, 1),  # neither has a word left: the same, and nothing in common
    ],
)
def test_f1_of_an_answer_is_that_of_its_words_but_for_yes_and_no(answer, right, f1, exact):
    told = answer_match(answer, right)
    assert told.f1 == pytest.approx(f1)
    assert told.exact == exact


def test_words_count_as_often_as_they_stand_there():
    told = answer_match("big big dog", "big dog dog dog")
    assert (told.precision, told.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 4))


def test_sentences_are_a_set():
    told = support_match([("Ann", 1), ("Ben", 0), ("Ben", 0)], [("Ann", 1), ("Cy", 2), ("Ben", 1)])
    assert told == Match(0.0, 1 / 2, 1 / 3)
    assert support_match([1, 2], [2, 1]) == Match(1.0, 1.0, 1.0)
    assert support_match([], [1]) == Match()


def test_both_are_right_together_where_each_is():
    answer, support = answer_match("Lima city", "Lima"), support_match([1], [1, 2])
    both = answer.and_also(support)
    assert both == Match(0.0, 1 / 2, 1 / 2)
    told = multi_hop_scores([(answer, support), (Match(1, 1, 1), Match(1, 1, 1)), (Match(), Match())])
    assert tuple(told) == SCORES
    assert told["joint_f1"] == pytest.approx(100 * (0.5 + 1) / 3)
    assert told["joint_exact_match"] == pytest.approx(100 / 3)
    assert told["f1"] == pytest.approx(100 * (2 / 3 + 1) / 3)
    assert told["support_f1"] == pytest.approx(100 * (2 / 3 + 1) / 3)
