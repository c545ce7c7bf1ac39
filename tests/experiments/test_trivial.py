import json
import math

import pytest

from data.records import Record
from experiments.long_range.trivial import by_counts, first_word_loss, main, trivial_accuracies


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


def test_what_was_found_is_written_with_its_command(tmp_path, capsys):
    place, out = tmp_path / "listops_made", tmp_path / "trivial.json"
    place.mkdir()
    for split, lines in (("train", (("a 1", "x"), ("b 1", "y"))), ("test", (("a 2", "x"), ("b 2", "x")))):
        text = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in lines)
        (place / f"{split}.jsonl").write_text(text)
    assert main([str(place), f"--out={out}"]) == 0
    found = json.loads(out.read_text())["data"]["listops_made"]
    assert (found["train"], found["test"], found["right"]["commonest after the first word"]) == (2, 2, 50)
    assert "| listops_made | 2 | 2 | 100.0 | 50.0 |" in capsys.readouterr().out
    assert main([str(tmp_path / "none"), f"--out={out}"]) == 2
    assert "train.jsonl" in capsys.readouterr().err
