import time

import pytest

from data.words import rough_sentences, sentence_places, word_places


def cut(text: str, places) -> list[str]:
    return [text[begin:end] for begin, end in places]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('She said "No." Then she left.', ['She said "No."', "Then she left."]),
        ("Dr. Smith met J. Jones in the U.S. They ate.", ["Dr. Smith met J. Jones in the U.S. They ate."]),
        ("It cost 3.50 dollars. 4 of us paid.", ["It cost 3.50 dollars.", "4 of us paid."]),
        ("no capital. follows", ["no capital. follows"]),
        ("a heading\n\nand a text\nof two lines", ["a heading", "and a text\nof two lines"]),
        ("  ", []),
        ("", []),
        ("Wait... What?", ["Wait...", "What?"]),
        ("It is in Mexicostco. Go by etc. Go by (etc. Go.", ["It is in Mexicostco.", "Go by etc. Go by (etc. Go."]),
    ],
)
def test_sentences_end_where_a_reader_expects_it_mostly(text, sentences):
    assert cut(text, sentence_places(text)) == sentences


def test_a_word_without_end_costs_no_more_than_others():
    word = "a" * 100_000  # 94 s where each letter was tried as the beginning of an abbreviation, and now 0.0
    began = time.perf_counter()
    assert len(sentence_places(f"{word} b. C d.")) == 2
    assert time.perf_counter() - began < 10


def test_words_are_those_of_the_penn_treebank_and_none_of_the_text_changes():
    text = 'He said "I can\'t pay $5.50," didn\u2019t he?'
    wanted = ["He", "said", '"', "I", "ca", "n't", "pay", "$", "5.50", ",", '"', "didn", "\u2019", "t", "he", "?"]
    assert cut(text, word_places(text)) == wanted
    assert word_places("   ") == []


def test_rough_sentences_end_at_each_mark_before_white_space_and_at_each_line():
    assert rough_sentences(" One. two!\nthree\n\n3.5 is it? ") == ["One.", "two!", "three", "3.5 is it?"]
    assert rough_sentences(" \n") == []
