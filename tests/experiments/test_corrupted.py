"""Sentences of books with one thing put wrong."""

import gzip
import json

import numpy as np
import pytest

from experiments.classifying.corrupted import Corruption, main, sentences

BOOK = """CHAPTER I.

The dog walked to the old house. "He walks," said Mr. Brown, "and the old dogs walked there too."
They were walking -- as he walks -- to the old house. The dogs walked on, and he walks (1 mile).

It was 1805. The dog walked to the old house. Nobody walks to a house as old as that!
"""


def test_sentences_are_whole_ones_of_plain_words_as_they_stand_inside():
    assert [" ".join(words) for words in sentences(BOOK)] == [
        "the dog walked to the old house.",
        "he walks, said Mr. Brown, and the old dogs walked there too.",
        "They were walking as he walks to the old house.",
        "the dog walked to the old house.",
        "Nobody walks to a house as old as that!",
    ]


@pytest.mark.parametrize("way", ["neighbours", "elsewhere", "left_out", "other_word", "other_ending"])
def test_one_thing_is_put_wrong_in_each_way(way):
    books = [list(sentences(BOOK))]
    corruption, words = Corruption(books), ["the", "dog", "walked", "to", "the", "old", "house"]
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        made = getattr(corruption, way)(words, rng)
        if made is None or made == words:
            continue
        seen.add(tuple(made))
        if way in ("neighbours", "elsewhere"):
            assert sorted(made) == sorted(words)
        elif way == "left_out":
            assert len(made) == len(words) - 1
        else:
            assert sum(one != other for one, other in zip(made, words, strict=True)) == 1
    assert (("the", "dog", "walks", "to", "the", "old", "house") in seen) == (way == "other_ending")
    assert len(seen) > 1 or way == "other_ending"  # of these words one alone has an ending that is known otherwise


def test_each_sentence_stands_right_and_wrong_and_the_same_again(tmp_path):
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "book.txt.gz").write_bytes(gzip.compress(BOOK.encode()))
    texts = []
    for folder in ("one", "two"):
        assert main([str(tmp_path), "--to", str(tmp_path / folder)]) == 0
        texts.append((tmp_path / folder / "train.jsonl").read_text())
    assert texts[0] == texts[1]
    lines = [json.loads(line) for line in texts[0].splitlines()]
    labels = [line["label"] for line in lines]
    assert labels.count("acceptable") == labels.count("unacceptable") > 2
    right = {line["text"] for line in lines if line["label"] == "acceptable"}
    assert "The dog walked to the old house." in right
    assert all(line["text"][0].isupper() and line["text"][-1] in ".!?" for line in lines)
    assert not right & {line["text"] for line in lines if line["label"] == "unacceptable"}


def test_a_folder_without_books_is_told(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no .txt.gz file" in capsys.readouterr().err
