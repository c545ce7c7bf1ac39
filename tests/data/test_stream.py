"""A stream is every document once, and rows cut from it tell every token once."""

import numpy as np
import pytest

from data.stream import SlidingRows, TrainingRows, token_stream
from data.tokenizer import Tokenizer
from errors import InputError

TEXTS = ["Ein süßer Hund\nläuft.  Er bellt\u2003laut", "", "zwei 𝄞nd drei", " x"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train("byte_bpe", TEXTS * 3, vocab_size=280)


@pytest.fixture(scope="module")
def stream(tokenizer):
    return token_stream(TEXTS, tokenizer)


def test_a_stream_counts_each_character_and_each_word_once(stream, tokenizer):
    whole = [text for text in TEXTS if text]
    assert stream.characters.sum() == sum(map(len, whole))
    assert stream.words.sum() == sum(len(text.split()) for text in whole)
    assert stream.empty_documents == 1
    pieces = np.split(stream.tokens[1:], np.flatnonzero(stream.tokens[1:] == tokenizer.sep_id) + 1)
    assert [tokenizer.decode(piece.tolist()) for piece in pieces if len(piece)] == whole
    assert stream.document.tolist() == sorted(stream.document.tolist())
    assert stream.document[-1] == 3


@pytest.mark.parametrize(("length", "stride"), [(8, 8), (8, 3), (8, 1), (200, 200), (200, 7)])
def test_sliding_rows_tell_each_token_once_after_enough_others(stream, length, stride):
    rows = SlidingRows(stream, length, stride)
    told = []
    for number in range(len(rows)):
        row = rows[number]
        at = np.flatnonzero(row["label_weights"])
        assert number == 0 or at[0] >= length - stride
        told += row["labels"][at].tolist()
        assert row["input_ids"].shape == (length,)
        real = row["attention_mask"] == 1
        assert (row["input_ids"][real][1:] == row["labels"][real][:-1]).all()
        assert (row["label_characters"][row["label_weights"] == 0] == 0).all() or number
    assert told == stream.tokens[1:].tolist()
    counted = sum((rows[i]["label_characters"] * rows[i]["label_weights"]).sum() for i in range(len(rows)))
    assert counted == stream.characters.sum()


def test_no_row_looks_across_documents_by_its_segments(stream, tokenizer):
    row = SlidingRows(stream, 100, 100)[0]
    real = row["attention_mask"] == 1
    opens = np.flatnonzero(row["input_ids"][real] == tokenizer.sep_id)
    assert row["segment_ids"][real][opens].tolist() == [1, 2, 3]  # each opens the document that it is to tell of
    assert (row["segment_ids"][~real] == 0).all()


def test_training_rows_begin_anywhere_and_cover_the_stream(stream):
    rows = TrainingRows(stream, 8)
    text = stream.tokens.tolist()
    firsts, seen = set(), set()
    for epoch in range(60):
        for index in range(len(rows)):
            row = rows.cut(rows[index], np.random.default_rng((epoch, index)))
            whole = [*row["input_ids"].tolist(), int(row["labels"][-1])]
            at = [i for i in range(len(text) - 8) if text[i : i + 9] == whole]
            assert at
            firsts.add(at[0])
            seen |= set(range(at[0], at[0] + 9))
    assert seen == set(range(len(text)))
    assert len(firsts) > len(text) // 2


def test_a_stream_shorter_than_a_row_is_padded(stream):
    rows = TrainingRows(stream, 500)
    assert len(rows) == 1
    row = rows.cut(rows[0], np.random.default_rng(0))
    assert row["label_weights"].sum() == stream.predicted
    assert row["input_ids"].shape == (500,)


def test_nothing_to_tell_and_a_stride_past_the_row_are_refused(stream, tokenizer):
    with pytest.raises(InputError, match="every document is empty"):
        token_stream(["", ""], tokenizer)
    with pytest.raises(InputError, match=r"evaluation.stride=9 must lie between 1 and a row's 8 tokens"):
        SlidingRows(stream, 8, 9)
