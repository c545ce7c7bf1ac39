"""Files of word vectors by hand: text with and without a header, and fastText's binary written by its layout."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from data.fasttext import ngram_buckets
from data.word_vectors import read_word_vectors, word_vector_dimension
from errors import InputError

GLOVE = "the 0.5 -1 2e-1\n, 1 2 3\ncafé 4 5 6\n. . . 7 8 9\nthe 0 0 0\n"


def test_a_text_file_gives_the_words_that_are_asked_for_and_of_two_the_first(tmp_path):
    (tmp_path / "glove.txt").write_text(GLOVE)
    found = read_word_vectors(tmp_path / "glove.txt", {"the", "café", "unknown", "."})
    assert set(found.vectors) == {"the", "café"}  # what starts with "." is a word with blanks in it
    assert found.vectors["the"].tolist() == np.float32([0.5, -1.0, 0.2]).tolist()
    assert found.vectors["the"].dtype == np.float32
    assert (found.dimension, found.from_parts) == (3, frozenset())
    assert word_vector_dimension(tmp_path / "glove.txt") == 3


def test_a_header_is_no_word_and_blanks_may_end_a_line_as_fasttext_writes_them(tmp_path):
    (tmp_path / "wiki.vec").write_text("2 3\nthe 1 2 3 \n2 4 5 6 \n")
    found = read_word_vectors(tmp_path / "wiki.vec", ["2", "the"])
    assert found.vectors["2"].tolist() == [4, 5, 6]
    assert word_vector_dimension(tmp_path / "wiki.vec") == 3
    with gzip.open(tmp_path / "wiki.vec.gz", "wt") as file:
        file.write("2 3\r\nthe 1 2 3\r\n")
    assert read_word_vectors(tmp_path / "wiki.vec.gz", ["the"]).vectors["the"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("header", ["", "2 2\n"])
def test_a_mark_of_byte_order_is_no_part_of_the_first_word(header, tmp_path):
    (tmp_path / "glove.txt").write_text(f"{header}the 1 2\nof 3 4\n", encoding="utf-8-sig")
    assert set(read_word_vectors(tmp_path / "glove.txt", ["the", "of"]).vectors) == {"the", "of"}


def test_bytes_that_are_no_utf_8_are_passed_over_since_nobody_asks_for_them(tmp_path):
    (tmp_path / "glove.txt").write_bytes(b"\xff\xfe 1 2\nthe 3 4\n")
    assert read_word_vectors(tmp_path / "glove.txt", ["the"]).vectors["the"].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word"),
        (b"3 2\n", "holds no word"),
        (b"the\nof 1 2\n", r":1: has 0 numbers and not any"),
        (b"the 1 2\nof 1\n", r":2: has 1 numbers and not 2, as a cut file has"),
        (b"2 3\nthe 1 2\n", r":2: has 2 numbers and not 3"),
        (
            b"of 1 2\nthe 1 x\n",
            r":2: could not convert string to float: .*x.*; after the word there should be 2 numbers",
        ),
        (b"the 1 nan\n", r":1: holds a number that is not finite"),
        (b"the 1 1e39\n", r":1: holds a number that is not finite, or is beyond"),
        (b"PK\x03\x04\x00\x00 1\n", r":1: is no line of a word and numbers; unzip the file"),
        (b"a" * 2_000_000, r":1: is no line of a word and numbers"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused_with_its_line(content, message, tmp_path):
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        read_word_vectors(tmp_path / "v.txt", ["the"])
    assert "v.txt" in str(refused.value)


def test_a_file_that_is_not_there_or_is_cut_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: cannot be read \(No such file"):
        word_vector_dimension(tmp_path / "nowhere.txt")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(GLOVE.encode() * 500)[:-40])
    with pytest.raises(InputError, match="gzip data is cut short"):
        read_word_vectors(tmp_path / "cut.txt.gz", ["the"])


def test_memory_is_that_of_the_words_asked_for(tmp_path):
    with open(tmp_path / "large.txt", "w") as file:
        for n in range(20_000):
            file.write(f"w{n} " + " ".join(["0.125"] * 50) + "\n")
    size = (tmp_path / "large.txt").stat().st_size
    tracemalloc.start()
    assert len(read_word_vectors(tmp_path / "large.txt", ["w7", "w19999"]).vectors) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"peak {peak:,} bytes of a file of {size:,}")  # 40,000 of 6,200,000 seen
    assert peak < size / 20


WORDS = ["the", "</s>", "café"]
SETTINGS = {"version": 12, "dim": 4, "model": 2, "bucket": 7, "minn": 2, "maxn": 3, "pruned": -1, "quantised": False}


def binary(words=WORDS, labels=(), **changes) -> bytes:
    """A fastText model as its source writes it; row r of its table is r, r + 0.5, r + 1, r + 1.5."""
    s = SETTINGS | changes
    rest = {"ws": 5, "epoch": 1, "min_count": 1, "neg": 5, "word_ngrams": 1, "loss": 2}
    parts = [struct.pack("<2i", 793712314, s["version"])]
    parts.append(struct.pack("<7i", s["dim"], *rest.values()))
    parts.append(struct.pack("<5id", s["model"], s["bucket"], s["minn"], s["maxn"], 100, 1e-4))
    parts.append(struct.pack("<3i2q", len(words) + len(labels), len(words), len(labels), 99, s["pruned"]))
    parts += [word.encode() + b"\0" + struct.pack("<qb", 5, 0) for word in words]
    parts += [label.encode() + b"\0" + struct.pack("<qb", 5, 1) for label in labels]
    rows = s.get("rows", len(words) + s["bucket"])
    parts.append(struct.pack("<?2q", s["quantised"], rows, s["dim"]))
    table = np.arange(len(words) + s["bucket"], dtype="<f4")[:, None] + np.arange(s["dim"], dtype="<f4") / 2
    return b"".join([*parts, table.tobytes(), struct.pack("<?2q", False, 0, 0)])


def test_a_listed_word_is_the_mean_of_its_row_and_its_parts_and_another_of_its_parts(tmp_path):
    (tmp_path / "m.bin").write_bytes(binary(labels=["__label__a"]))
    found = read_word_vectors(tmp_path / "m.bin", {"the", "café", "</s>", "new", "__label__a"})
    for word, own in {"the": [0], "café": [2], "new": []}.items():
        rows = [*own, *(3 + bucket for bucket in ngram_buckets(word, 2, 3, 7))]
        error = np.abs(found.vectors[word] - (np.mean(rows) + np.arange(4) / 2)).max()
        print(f"{word}: error {error:.1e}")  # 2e-7 seen
        assert error < 1e-6
    assert found.vectors["</s>"].tolist() == [1, 1.5, 2, 2.5]  # the end of a sentence has no parts
    assert found.from_parts == {"new", "__label__a"}
    assert word_vector_dimension(tmp_path / "m.bin") == found.dimension == 4


def test_the_hash_and_the_parts_are_those_of_fasttext():
    """Buckets of 5,000 as fastText 0.9.2 gave them for a model with n-grams of 3 to 6, and FNV-1a's published numbers.

    The vectors of 13 words of four such models, some of them not listed, differed from its own by 1.2e-7 at most.
    """
    assert ngram_buckets("a", 3, 6, 5000) == [2600]
    assert ngram_buckets("é", 3, 6, 5000) == [1231]  # bytes above 127 count as negative
    assert ngram_buckets("Zü", 3, 6, 5000) == [2452, 4326, 1556]
    assert len(ngram_buckets("the", 3, 6, 100)) == 6  # <th the he> <the the> <the>
    assert len(ngram_buckets("é", 1, 1, 100)) == 1  # "<" and ">" alone are none; é is one character, two bytes
    assert ngram_buckets("a", 1, 1, 2**32) == [0xE40C292C]
    assert ngram_buckets("foobar", 6, 6, 2**32)[1] == 0xBF9CF968


def test_without_parts_only_listed_words_have_vectors(tmp_path):
    (tmp_path / "m.bin").write_bytes(binary(bucket=0, minn=0, maxn=0))
    assert set(read_word_vectors(tmp_path / "m.bin", ["the", "new"]).vectors) == {"the"}
    (tmp_path / "old.bin").write_bytes(binary(version=11, model=3))  # its supervised models had no parts of words
    assert set(read_word_vectors(tmp_path / "old.bin", ["the", "new"]).vectors) == {"the"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (binary(version=99), "is of fastText's format 99; only 11 and 12"),
        (binary(quantised=True), r"is a quantised model \(.ftz\); take the .bin"),
        (binary(pruned=3), "n-grams were pruned"),
        (binary(rows=2**40), r"its table is 1099511627776 x 4 and should be 10 x 4"),
        (binary(dim=-1), "says that vectors have -1 numbers"),
        (binary().replace(b"the\0" + struct.pack("<qb", 5, 0), b"the\0" + struct.pack("<qb", 5, 1)), "is of kind 1"),
        (binary()[:20], "ends in the middle of its tables"),
        (binary()[:100], "ends in the middle of its tables|has no end"),
        (binary()[:-40], "is cut short within its table of 10 x 4"),
    ],
)
def test_a_damaged_binary_is_refused_by_name(content, message, tmp_path):
    (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        read_word_vectors(tmp_path / "m.bin", ["the"])
    assert "m.bin" in str(refused.value)


def test_no_single_byte_cut_off_or_changed_ends_in_anything_but_a_refusal_or_vectors(tmp_path):
    whole = binary()
    for at in range(0, len(whole), 3):
        for content in (whole[:at], whole[:at] + b"\xff" + whole[at + 1 :]):
            (tmp_path / "m.bin").write_bytes(content)
            try:
                found = read_word_vectors(tmp_path / "m.bin", ["the", "new"])
            except InputError:
                continue
            assert all(np.isfinite(vector).all() for vector in found.vectors.values())
