import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import packing, packing_cache
from data.packing import next_fit, sentence_starts, tokenize_and_pack
from errors import InputError

TEXTS = st.lists(st.text("ab .\n?", max_size=60), min_size=1, max_size=8)
MODES = ("full_sentences", "stream")


def real(row):
    return row["input_ids"][row["segment_ids"] > 0].tolist()


def expected_stream(documents, tokenizer):
    return [i for ids in tokenizer.encode_batch(documents) if len(ids) for i in [*ids.tolist(), tokenizer.sep_id]]


@pytest.mark.parametrize("mode", MODES)
@given(documents=TEXTS, length=st.integers(4, 24))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_token_is_lost_and_their_order_is_kept(mode, documents, length, tokenizer):
    if not any(documents):
        return
    rows = tokenize_and_pack(documents, tokenizer, length=length, mode=mode)
    everything = [rows[i] for i in range(len(rows))]
    assert all(real(row)[0] == tokenizer.cls_id for row in everything)
    assert list(itertools.chain.from_iterable(real(row)[1:] for row in everything)) == expected_stream(
        documents, tokenizer
    )
    for row in everything:
        assert row["input_ids"].shape == row["segment_ids"].shape == (length,)
        assert row["input_ids"].dtype == row["segment_ids"].dtype == np.int32
        assert (row["input_ids"][row["segment_ids"] == 0] == tokenizer.pad_id).all()


@pytest.mark.parametrize("mode", MODES)
@given(documents=TEXTS, length=st.integers(4, 24))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_segments_count_the_documents_of_a_row(mode, documents, length, tokenizer):
    if not any(documents):
        return
    rows = tokenize_and_pack(documents, tokenizer, length=length, mode=mode)
    for i in range(len(rows)):
        ids, segments = rows[i]["input_ids"], rows[i]["segment_ids"]
        count = int((segments > 0).sum())
        assert (segments[count:] == 0).all()
        # A new document begins exactly after a separator: no text encodes to one.
        after_sep = np.concatenate([[True], ids[: count - 1] == tokenizer.sep_id])
        assert segments[:count].tolist() == np.cumsum(after_sep).tolist()


@given(pieces=st.lists(st.integers(1, 30), min_size=1, max_size=60), capacity=st.integers(3, 20))
@settings(max_examples=200, deadline=None)
def test_rows_take_whole_pieces_and_end_only_where_the_next_does_not_fit(pieces, capacity):
    breaks = next_fit(np.asarray(pieces), capacity).tolist()
    # The plain way: cut long pieces, then fill row after row.
    cut = [c for p in pieces for c in [capacity] * (p // capacity) + [p % capacity] * (p % capacity > 0)]
    expected, filled = [0], 0
    for piece in cut:
        if filled + piece - expected[-1] > capacity:
            expected.append(filled)
        filled += piece
    assert breaks == [*expected, filled]


def test_a_row_by_hand(tokenizer):
    documents = ["aa. bb. cc", "", "dd"]
    sizes = [len(tokenizer.encode(t)) for t in ("aa.", " bb.", " cc", "dd")]
    assert sizes == [3, 4, 3, 2]
    rows = tokenize_and_pack(documents, tokenizer, length=9)
    cls, sep, pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    a, b, c, d = (tokenizer.encode(t).tolist() for t in ("aa.", " bb.", " cc", "dd"))
    # " bb." fits beside "aa."; " cc" with its separator (4) does not; "dd" opens document 2 of the second row.
    assert rows[0]["input_ids"].tolist() == [cls, *a, *b, pad]
    assert rows[0]["segment_ids"].tolist() == [1] * 8 + [0]
    assert rows[1]["input_ids"].tolist() == [cls, *c, sep, *d, sep, pad]
    assert rows[1]["segment_ids"].tolist() == [1] * 5 + [2] * 3 + [0]
    assert (len(rows), rows.documents, rows.empty_documents) == (2, 3, 1)
    assert rows.fill == 16 / 18
    assert "16" not in str(rows)
    assert "2 rows of 9, 88.9% full, 1 documents had no token" in str(rows)
    with pytest.raises(IndexError):
        rows[2]


def test_a_stream_is_full_but_for_its_last_row(texts, tokenizer):
    rows = tokenize_and_pack(texts, tokenizer, length=32, mode="stream")
    assert all((rows[i]["segment_ids"] > 0).all() for i in range(len(rows) - 1))
    sentences = tokenize_and_pack(texts, tokenizer, length=32)
    assert sentences.fill < rows.fill


def test_sentences_end_at_line_breaks_and_after_full_stops():
    text = 'One two. "Three?" Four!\n\nfive\nMr. X 3.14 end'
    starts = np.arange(len(text))
    begins = sentence_starts(text, starts)
    pieces = [text[a:b] for a, b in zip(begins, [*begins[1:], None], strict=True)]
    assert pieces == ["One two.", ' "Three?"', " Four!\n\n", "five\n", "Mr.", " X 3.14 end"]


def test_a_token_over_a_border_belongs_to_the_sentence_before():
    assert sentence_starts("a\nb c", np.asarray([0, 0, 3, 4])).tolist() == [0, 2]


def test_a_cache_gives_the_same_rows_from_memory_mapped_files(texts, tokenizer, tmp_path, monkeypatch):
    plain = tokenize_and_pack(texts, tokenizer, length=32)
    first = tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path)
    monkeypatch.setattr(packing, "_pack", None)  # a second packing would fail
    second = tokenize_and_pack(iter(texts), tokenizer, length=32, cache_dir=tmp_path)
    assert isinstance(second.tokens, np.memmap)
    assert second.tokens.dtype == np.uint16
    assert str(plain) == str(first) == str(second)
    for i in range(len(plain)):
        assert all((plain[i][key] == second[i][key]).all() for key in plain[i])


def test_everything_the_rows_depend_on_has_its_own_entry(texts, tokenizer, tmp_path):
    for change in ({"length": 40}, {"mode": "stream"}, {}):
        tokenize_and_pack(texts, tokenizer, **({"length": 32, "cache_dir": tmp_path} | change))
    tokenize_and_pack([*texts[:-1], texts[-1] + "!"], tokenizer, length=32, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    # Documents are told apart, not only their concatenation.
    assert packing_cache.key(["ab", "c"], "x", 8, "stream") != packing_cache.key(["a", "bc"], "x", 8, "stream")


@pytest.mark.parametrize(
    "file", ["tokens.npy", "row_starts.npy", "segment_starts.npy", "row_segments.npy", "manifest.json"]
)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_a_damaged_cache_is_noticed_and_made_again(file, damage, texts, tokenizer, tmp_path):
    good = tokenize_and_pack(texts, tokenizer, length=32)
    tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path)
    (entry,) = tmp_path.iterdir()
    path = entry / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"flip": bytes(content), "cut": bytes(content[: len(content) // 2]), "empty": b"", "remove": None}[damage]
    path.unlink() if damaged is None else path.write_bytes(damaged)
    again = tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [entry.name]
    for name in ("tokens", "row_starts", "segment_starts", "row_segments"):
        assert (getattr(again, name) == getattr(good, name)).all()
    assert (again.length, again.pad_id, again.documents) == (good.length, good.pad_id, good.documents)


def test_a_write_that_fails_leaves_nothing_and_says_so(texts, tokenizer, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing_cache.np, "save", full)
    with pytest.raises(InputError, match=r"cannot write the tokenised rows there \(No space left on device\)"):
        tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_directory_that_is_a_file_is_refused(texts, tokenizer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the tokenised rows"):
        tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path / "file")


def test_the_manifest_is_plain_json(texts, tokenizer, tmp_path):
    tokenize_and_pack(texts, tokenizer, length=32, cache_dir=tmp_path)
    (manifest,) = tmp_path.glob("*/manifest.json")
    assert set(json.loads(manifest.read_text())) == {"values", "sha256"}


def test_refusals(texts, tokenizer):
    with pytest.raises(InputError, match="mode 'sentences' is unknown"):
        tokenize_and_pack(texts, tokenizer, length=32, mode="sentences")
    with pytest.raises(InputError, match="too short"):
        tokenize_and_pack(texts, tokenizer, length=3)
    with pytest.raises(InputError, match="nothing to pack"):
        tokenize_and_pack(["", ""], tokenizer, length=32)
    with pytest.raises(InputError, match="nothing to pack"):
        tokenize_and_pack([], tokenizer, length=32)
