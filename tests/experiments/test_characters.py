import pytest

from experiments.characters.prepare import parts, parts_in_order


def test_the_last_tenth_is_the_test_and_each_character_is_in_one_split():
    text = "".join(f"Speaker {number}:\nSome words of {number * number}.\n\n" for number in range(400))
    found = parts(text)
    assert found["test"] == text[len(text) * 90 // 100 :]
    assert sum(map(len, found.values())) == len(text)
    assert len(found["validation"]) / len(text) == pytest.approx(0.05, abs=0.005)
    before = text.index(found["validation"])
    assert found["train"] == text[:before] + text[before + len(found["validation"]) : len(text) * 90 // 100]
    assert found["validation"].startswith("Speaker")
    assert found["validation"].endswith("\n\n")


def test_a_text_without_paragraphs_is_cut_where_the_shares_end():
    assert {name: len(part) for name, part in parts("x" * 1000).items()} == {
        "train": 850,
        "validation": 50,
        "test": 100,
    }


def test_text8_is_cut_in_order_and_no_character_is_cut():
    assert {name: len(part) for name, part in parts_in_order("x" * 1000).items()} == {
        "train": 900,
        "validation": 50,
        "test": 50,
    }
    for text in ("\u00e9" * 333, "a\U0001f40b" * 77 + "b"):
        found = parts_in_order(text)
        assert "".join(found.values()) == text
        assert len(found["train"].encode()) / len(text.encode()) == pytest.approx(0.9, abs=0.01)
