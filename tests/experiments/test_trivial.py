import pytest

from data.records import Record
from experiments.long_range.trivial import trivial_accuracies


def records(*lines):
    return [Record({"text": text, "label": label}, f"listops.jsonl:{n}") for n, (text, label) in enumerate(lines, 1)]


def test_the_first_word_is_told_apart_from_the_commonest_answer():
    train = records(("[MAX 1 2 ]", "9"), ("[MAX 3 ]", "9"), ("[MAX 1 ]", "8"), ("[MIN 2 ]", "0"), ("[SM 2 ]", "9"))
    test = records(("[MAX 7 ]", 9), ("[MIN 7 ]", 0), ("[MED 7 ]", 9), ("[MIN 1 ]", 9))
    found = trivial_accuracies(train, test)
    assert found == {"commonest answer": pytest.approx(75), "commonest after the first word": pytest.approx(50)}
