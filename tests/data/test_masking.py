import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.masking import hide_tokens, mask_tokens, predictions_per_row

VOCAB, MASK = 50, 4
SPECIAL = np.arange(5, dtype=np.int32)
STARTS = np.arange(VOCAB) % 3 == 0
STARTS[:5] = True


def make_row(length=64, padding=10, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, VOCAB, length).astype(np.int32)
    ids[0], ids[length // 2] = 0, 2
    segments = np.ones(length, np.int32)
    segments[length // 2 + 1 :] = 2
    segments[length - padding :] = 0
    ids[length - padding :] = 1
    return {"input_ids": ids, "segment_ids": segments}


def mask(row, rng, **changes):
    settings = {"rate": 0.15, "mask_id": MASK, "vocab_size": VOCAB, "special_ids": SPECIAL, "predictions": 10} | changes
    return mask_tokens(row, rng, **settings)


@given(
    seed=st.integers(0, 1000),
    rate=st.sampled_from([0.01, 0.15, 0.5, 1.0]),
    padding=st.sampled_from([0, 10, 63]),
    words=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_what_holds_for_every_row(seed, rate, padding, words):
    row = make_row(padding=padding, seed=seed)
    slots = predictions_per_row(rate, 64)
    out = mask(row, np.random.default_rng(seed), rate=rate, predictions=slots, starts_word=STARTS if words else None)
    used = out["label_weights"] == 1
    positions, labels = out["predict_positions"][used], out["labels"][used]
    assert out["predict_positions"].shape == out["labels"].shape == out["label_weights"].shape == (slots,)
    assert (positions[1:] > positions[:-1]).all()
    assert (labels == row["input_ids"][positions]).all()
    assert not np.isin(labels, SPECIAL).any()
    assert (row["segment_ids"][positions] > 0).all()
    unchosen = np.setdiff1d(np.arange(64), positions)
    assert (out["input_ids"][unchosen] == row["input_ids"][unchosen]).all()
    assert set(out["input_ids"][positions]) <= {MASK, *range(5, VOCAB)}
    assert (out["attention_mask"] == (row["segment_ids"] > 0)).all()
    assert (out["segment_ids"] == row["segment_ids"]).all()
    assert not out["predict_positions"][~used].any()
    assert not out["labels"][~used].any()
    dtypes = {key: value.dtype for key, value in out.items()}
    assert dtypes.pop("label_weights") == np.float32
    assert set(dtypes.values()) == {np.dtype(np.int32)}


def test_the_row_given_is_not_changed():
    row = make_row()
    before = row["input_ids"].copy()
    mask(row, np.random.default_rng(0))
    assert (row["input_ids"] == before).all()


def test_counts_fates_and_places_have_the_promised_frequencies():
    row, rng, draws = make_row(), np.random.default_rng(0), 6000
    ordinary = np.flatnonzero((row["segment_ids"] > 0) & ~np.isin(row["input_ids"], SPECIAL))
    outs = [mask(row, rng) for _ in range(draws)]
    counts = np.asarray([out["label_weights"].sum() for out in outs])
    # 52 ordinary tokens: 7 or 8 of them, 7.8 in the mean.
    assert len(ordinary) == 52
    assert set(counts) == {7.0, 8.0}
    print("mean count", counts.mean(), "expected 7.8")
    assert abs(counts.mean() - 7.8) < 0.02  # seen 0.001; one standard error is 0.005
    places = np.zeros(64)
    masked = kept = changed = 0
    for out in outs:
        used = out["predict_positions"][out["label_weights"] == 1]
        places[used] += 1
        shown = out["input_ids"][used]
        masked += (shown == MASK).sum()
        kept += (shown == row["input_ids"][used]).sum()
        changed += ((shown != MASK) & (shown != row["input_ids"][used])).sum()
    total = masked + kept + changed
    print("masked, kept, changed:", masked / total, kept / total, changed / total)
    # A random token is the original once in 45, so 10 % + 0.22 % look kept.
    assert abs(masked / total - 0.8) < 0.006  # seen 0.0014; one standard error is 0.0018
    assert abs(kept / total - (0.1 + 0.1 / 45)) < 0.005  # seen 0.0003; one standard error is 0.0014
    share = places[ordinary] / draws
    print("least and most often chosen place:", share.min(), share.max())
    assert abs(share - 0.15).max() < 0.02  # seen 0.012; one standard error is 0.0046
    assert places.sum() == places[ordinary].sum()


def test_random_substitutes_are_uniform_over_the_ids_that_are_not_special():
    special = np.asarray([0, 3, 7, 49], np.int32)
    row = {"input_ids": np.full(64, 10, np.int32), "segment_ids": np.ones(64, np.int32)}
    rng, counts = np.random.default_rng(0), np.zeros(VOCAB)
    for _ in range(3000):
        out = mask(row, rng, rate=1.0, predictions=64, special_ids=special, mask_id=3)
        counts += np.bincount(out["input_ids"], minlength=VOCAB)
    counts[3] = 0
    assert not counts[special].any()
    others = counts[[i for i in range(VOCAB) if i not in special and i != 10]]
    print("substitutes: least and most", others.min(), others.max(), "expected", 3000 * 64 * 0.1 / 46)
    assert len(others) == 45
    assert abs(others / (3000 * 64 * 0.1 / 46) - 1).max() < 0.25  # seen 0.11; one standard error is 0.049


def test_whole_words_are_chosen_whole_and_as_often():
    row, rng = make_row(length=512, padding=0), np.random.default_rng(0)
    ids = row["input_ids"]
    special = np.isin(ids, SPECIAL)
    # A word begins at a starting token and after a special one.
    begins = STARTS[ids] | np.concatenate([[True], special[:-1]])
    words = np.cumsum(begins)
    counts = []
    for _ in range(300):
        out = mask(row, rng, predictions=77, starts_word=STARTS)
        used = out["predict_positions"][out["label_weights"] == 1]
        counts.append(len(used))
        chosen = np.zeros(512, bool)
        chosen[used] = True
        for word in np.unique(words[used]):
            assert chosen[(words == word) & ~special].all()
    print("mean share", np.mean(counts) / 510)
    assert abs(np.mean(counts) / 510 - 0.15) < 0.002  # seen 0.0001


def test_a_row_of_special_tokens_alone_has_nothing_to_predict():
    row = {"input_ids": np.asarray([0, 2, 1, 1], np.int32), "segment_ids": np.asarray([1, 1, 0, 0], np.int32)}
    for starts in (None, STARTS):
        out = mask(row, np.random.default_rng(0), starts_word=starts)
        assert out["label_weights"].sum() == 0
        assert (out["input_ids"] == row["input_ids"]).all()


@pytest.mark.parametrize(("rate", "length", "slots"), [(0.15, 512, 77), (0.15, 4096, 615), (0.15, 1, 1), (1.0, 8, 8)])
def test_the_number_of_slots(rate, length, slots):
    assert predictions_per_row(rate, length) == slots


def test_hidden_tokens_are_a_share_of_the_ordinary_ones_and_the_rest_stays():
    rng = np.random.default_rng(0)
    ids = np.concatenate([[0], rng.integers(5, 50, 10_000), [2]]).astype(np.int32)
    found = hide_tokens(ids, rng, rate=0.2, mask_id=4, special_ids=np.arange(5))
    changed = found != ids
    print(f"share hidden {changed.mean():.4f}")  # 0.2013 seen; one standard error is 0.004
    assert abs(changed.mean() - 0.2) < 0.016
    assert set(found[changed]) == {4}
    assert (found[0], found[-1], found.dtype) == (0, 2, np.int32)
    assert np.array_equal(hide_tokens(ids, rng, rate=0.0, mask_id=4, special_ids=np.arange(5)), ids)
