import math

import pytest

from data.records import Record
from experiments.long_range.trivial import by_counts, first_word_loss, trivial_accuracies


def records(*lines):
    return [Record({"text": text, "label": label}, f"listops.jsonl:{n}") for n, (text, label) in enumerate(lines, 1)]


def test_the_first_word_is_told_apart_from_the_commonest_answer():
    train = records(("[MAX 1 2 ]", "9"), ("[MAX 3 ]", "9"), ("[MAX 1 ]", "8"), ("[MIN 2 ]", "0"), ("[SM 2 ]", "9"))
    test = records(("[MAX 7 ]", 9), ("[MIN 7 ]", 0), ("[MED 7 ]", 9), ("[MIN 1 ]", 9))
    found = trivial_accuracies(train, test)
    assert found.pop("likeliest by the counts of words") == pytest.approx(75)  # [MED is in no count: 9, the commonest
    assert found == {"commonest answer": pytest.approx(75), "commonest after the first word": pytest.approx(50)}


def test_counts_of_words_tell_what_their_order_does_not():
    train = records(("a a b", "x"), ("b a a", "x"), ("b b a", "y"), ("b a b", "y"))
    assert by_counts(train, records(("a b a", "?"), ("a b b", "?"), ("new b", "?"))) == ["x", "y", "y"]


def test_the_loss_is_of_the_counts_after_the_first_word():
    train = records(("[MAX 1 ]", 9), ("[MAX 2 ]", 9), ("[MAX 3 ]", 8), ("[MIN 1 ]", 8))
    test = records(("[MAX 7 ]", 9), ("[MIN 7 ]", 9))
    assert first_word_loss(train, test) == pytest.approx(-(math.log(2.5 / 4) + math.log(0.5 / 2)) / 2)
