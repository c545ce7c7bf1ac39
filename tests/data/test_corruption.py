"""What is spoilt can be restored from both sides together, and is spoilt as much as was asked."""

import numpy as np
import pytest

from data.corruption import infilled, permuted, sentinel_ids, span_corrupted
from data.tokenizer import Tokenizer
from errors import InputError

SENTINELS = np.arange(40, dtype=np.int32)
MASK = 0


def ids(count: int) -> np.ndarray:
    return np.arange(100, 100 + count, dtype=np.int32)


def restored(read: np.ndarray, written: np.ndarray) -> list[int]:
    spans, current = {}, None
    for token in written.tolist():
        if token < 40:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    return [piece for token in read.tolist() for piece in (spans[token] if token < 40 else [token])]


@pytest.mark.parametrize("count", [2, 3, 10, 97, 512])
def test_a_text_comes_back_from_what_was_taken_out_of_it(count):
    for seed in range(50):
        read, written = span_corrupted(
            ids(count), np.random.default_rng(seed), rate=0.15, mean_span=3.0, sentinels=SENTINELS
        )
        assert restored(read, written) == ids(count).tolist()
        spans = int((read < 40).sum())
        assert len(read) - spans == count - max(round(count * 0.15), 1)
        assert read[read < 40].tolist() == list(range(spans)) == written[written < 40].tolist()
        assert read[0] == 100  # the first token is kept
        assert read[-1] < 40  # the last is taken out
        assert not ((read[1:] < 40) & (read[:-1] < 40)).any()  # no two spans touch


@pytest.mark.parametrize("count", [0, 1])
def test_a_text_too_short_to_be_spoilt_is_read_as_it_is_and_nothing_is_written(count):
    how = {"rate": 0.15, "mean_span": 3.0, "sentinels": SENTINELS}
    read, written = span_corrupted(ids(count), np.random.default_rng(0), **how)
    assert (read.tolist(), written.tolist()) == (ids(count).tolist(), [])
    assert read.dtype == written.dtype == np.int32


def test_spans_lie_everywhere_alike():
    taken = np.zeros(60)
    for seed in range(4000):
        read, _ = span_corrupted(ids(60), np.random.default_rng(seed), rate=0.15, mean_span=3.0, sentinels=SENTINELS)
        taken += ~np.isin(ids(60), read)
    share = taken[6:-6] / 4000
    assert np.ptp(share) < 0.04  # 0.02 seen; ends differ, since a text begins with what is kept and ends with a span
    assert taken.sum() / 4000 == 9


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, 512])
def test_an_infilled_text_keeps_what_was_not_hidden_in_its_order(count):
    lengths = []
    for seed in range(200):
        read = infilled(ids(count), np.random.default_rng(seed), rate=0.3, mean_span=3.0, mask_id=MASK)
        kept = read[read != MASK]
        assert len(kept) == count - round(count * 0.3)
        assert (np.diff(kept) > 0).all()
        assert len(read) <= count
        lengths.append((read == MASK).sum())
    if count == 512:
        assert abs(np.mean(lengths) - 512 * 0.3 / 3) < 2.5  # a mask for each three tokens: 1.1 off seen


def test_sentences_change_places_whole():
    text = np.asarray([1, 2, 9, 3, 9, 4, 5, 6, 9, 7], np.int32)
    orders = set()
    for seed in range(200):
        read = permuted(text, text == 9, np.random.default_rng(seed))
        pieces = [tuple(p.tolist()) for p in np.split(read, np.flatnonzero(read[:-1] == 9) + 1)]
        assert sorted(sum(pieces, ())) == sorted(text.tolist())
        orders.add(tuple(read.tolist()))
    assert len(orders) == 24


def test_sentinels_are_the_vocabularys_own_or_spare_rows():
    plain = Tokenizer.train("byte_bpe", ["ab"], vocab_size=270)
    spare = sentinel_ids(plain, plain.vocab_size + 3)
    assert spare.tolist() == [plain.vocab_size, plain.vocab_size + 1, plain.vocab_size + 2]
    with pytest.raises(InputError, match=f"set model.vocab_size to {plain.vocab_size + 100}"):
        sentinel_ids(plain, plain.vocab_size)
    with pytest.raises(InputError, match="25 spans are taken out of a row of 500 tokens, and there are 3 sentinels"):
        span_corrupted(ids(500), np.random.default_rng(0), rate=0.15, mean_span=3.0, sentinels=spare)
