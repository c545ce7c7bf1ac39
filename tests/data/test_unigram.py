import math

import numpy as np
import pytest

from data.packing import tokenize_and_pack
from data.unigram import token_counts, unigram_nats

NONE = np.asarray([], np.int64)


def test_the_loss_by_hand():
    # Counts 3, 1, 0 plus one each: 4/7, 2/7, 1/7.
    train, held = np.asarray([3, 1, 0]), np.asarray([2, 1, 1])
    expected = -(2 * math.log(4 / 7) + math.log(2 / 7) + math.log(1 / 7)) / 4
    assert unigram_nats(train, held, special_ids=NONE) == pytest.approx(expected, rel=1e-12)


def test_special_ids_have_no_share():
    train, held = np.asarray([900, 3, 1, 0]), np.asarray([50, 2, 1, 1])
    without = unigram_nats(train[1:], held[1:], special_ids=NONE)
    assert unigram_nats(train, held, special_ids=np.asarray([0])) == pytest.approx(without, rel=1e-12)


def test_the_training_text_itself_costs_about_its_entropy():
    train = np.asarray([100_000, 300_000, 600_000])
    share = train / train.sum()
    entropy = -(share * np.log(share)).sum()
    loss = unigram_nats(train, train, special_ids=NONE)
    print("difference:", loss - entropy)
    assert loss == pytest.approx(entropy, abs=1e-9)  # seen 3e-12


def test_every_ordinary_token_of_the_rows_is_counted(texts, tokenizer):
    rows = tokenize_and_pack(texts, tokenizer, length=16)
    counts = token_counts(rows, tokenizer.vocab_size, special_ids=tokenizer.special_ids)
    expected = np.bincount(np.concatenate(tokenizer.encode_batch(texts)), minlength=tokenizer.vocab_size)
    assert (counts == expected).all()
