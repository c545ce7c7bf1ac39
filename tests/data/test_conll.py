import gzip
from pathlib import Path

import pytest

from data.conll import brackets, conll_text
from data.records import read_records
from errors import InputError

HERE = Path(__file__).resolve().parents[3] / "shared/data/propbank_ewt"
CATS = """d\t0\t0\tCats\tNNS\t-\t-\t(ARG0*)\t(ARG0*
d\t0\t1\twant\tVBP\twant\twant.01\t(V*)\t*)
d\t0\t2\tto\tTO\t-\t-\t(ARG1*\t*
d\t0\t3\teat\tVB\teat\teat.01\t*)\t(V*)

d\t1\t0\tYes\tUH\t-\t-
"""
WANTED = [[(0, 1, "ARG0"), (1, 2, "V"), (2, 4, "ARG1")], [(0, 2, "ARG0"), (3, 4, "V")]]


def read(folder: Path, text: str, *, name: str = "a.conll", columns=()) -> list:
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_records(file, columns=columns)


@pytest.mark.parametrize("name", ["a.conll", "a.conll.gz"])
def test_a_sentence_is_a_record_with_its_words_predicates_and_spans(name, tmp_path):
    first, second = read(tmp_path, CATS, name=name)
    assert first.values == {
        "text": "Cats want to eat",
        "words": ["Cats", "want", "to", "eat"],
        "pos": ["NNS", "VBP", "TO", "VB"],
        "predicates": [
            {"index": 1, "lemma": "want", "frame": "want.01"},
            {"index": 3, "lemma": "eat", "frame": "eat.01"},
        ],
        "spans": WANTED,
    }
    assert second.values["predicates"] == second.values["spans"] == []
    assert [r.origin for r in (first, second)] == [f"{tmp_path / name}:1", f"{tmp_path / name}:6"]


def test_the_layouts_of_conll_2005_are_known_at_sight_and_others_by_name(tmp_path):
    plain = "\n\nCats  -     (A0*)  (A0*\r\nwant  want  (V*)   *)\nto - (A1* *\neat  eat   *)    (V*)\n\n\n"
    (record,) = read(tmp_path, plain)
    assert [[(b, e, label.replace("A", "ARG")) for b, e, label in spans] for spans in record.values["spans"]] == WANTED
    assert record.values["predicates"] == [{"index": 1, "lemma": "want"}, {"index": 3, "lemma": "eat"}]
    assert record.origin.endswith(":3")

    full = "Cats NNS (NP*) (S* (S1(S* (ORG*) - (A0*)\nsleep VBP (VP*) *) *)) * sleep (V*)\n"
    (record,) = read(tmp_path, full)
    assert record.values["spans"] == [[(0, 1, "A0"), (1, 2, "V")]]
    assert record.values["pos"] == ["NNS", "VBP"]

    other = "1 Cats - (A0*)\n2 sleep sleep.01 (V*V)\n"
    (record,) = read(tmp_path, other, columns=("number", "word", "frame"))
    assert record.values["predicates"] == [{"index": 1, "frame": "sleep.01"}]
    assert record.values["spans"] == [[(0, 1, "A0"), (1, 2, "V")]]
    (record,) = read(tmp_path, "Cats\nsleep\n", columns=("word",))
    assert record.values == {"text": "Cats sleep", "words": ["Cats", "sleep"]}


def test_brackets_are_not_taken_for_the_columns_of_another_layout(tmp_path):
    five = "".join(f"w{i} p{i} " + " ".join("(V*)" if i == k else "*" for k in range(5)) + "\n" for i in range(5))
    (record,) = read(tmp_path, five)  # seven columns, as the first two layouts have before their roles
    assert [p["lemma"] for p in record.values["predicates"]] == [f"p{i}" for i in range(5)]
    assert record.values["spans"] == [[(i, i + 1, "V")] for i in range(5)]


def test_predicates_may_be_given_without_roles(tmp_path):
    (record,) = read(tmp_path, "Cats -\nsleep sleep\n")
    assert record.values["predicates"] == [{"index": 1, "lemma": "sleep"}]
    assert "spans" not in record.values


BROKEN = {
    "unclosed": ("a - (A0*\nb b (V*)\nc - *\n", r":2: the role V begins inside A0"),
    "never closed": ("a a (V*)\nb - (A0*\nc - *\n", r":2: the role A0 that begins here does not end in its sentence"),
    "nested": ("a - (A0(A1*\nb b (V*)\nc - *))\n", r":1: '\(A0\(A1\*' is no bracket"),
    "closed twice": ("a - (A0*)\nb b (V*)\nc - *)\n", r":3: '\*\)' ends a role that is not open; none is"),
    "closed as another": ("a - (A0*\nb - *A1)\nc c (V*)\n", r":2: '\*A1\)' ends a role that is not open; A0 is"),
    "no bracket": ("a a (V*)\n\na - A0\nb b (V*)\n", r":3: 'A0' is no bracket"),
    "no V": ("a - (A0*)\nb b *\n", r":1: the predicate 'b' of the sentence has no role V"),
    "one column short": ("a a (V*)\n\na - *\nb b\n", r":4: has 2 columns, where the sentence's first line has 3"),
    "too many columns": ("a a (V*)\n\na - * *\nb b (V*) *\n", r":3: the sentence has 1 predicates .* but 2 columns"),
    "unknown layout": ("x y z\n", r":1: the sentence's 3 columns fit none of the known layouts \(document sentence"),
    "empty cell": (
        CATS.replace("Cats", "", 1).replace("\n\n", "\n\n", 1),
        r":1: .* name the leading|none of these may",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_file_and_line(text, message, tmp_path):
    with pytest.raises(InputError, match="a.conll" + message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_an_empty_cell_is_refused_with_file_and_line(tmp_path):
    with pytest.raises(InputError, match=r"a.conll:9: has 7 columns, .* none of these may be empty"):
        read(tmp_path, CATS + "\nd\t2\t0\ta\tX\t-\t-\nd\t2\t1\t\tX\t-\t-\n")


def test_columns_must_name_the_word_and_tell_whose_the_roles_are(tmp_path):
    with pytest.raises(InputError, match=r"a.conll:1: data.columns=\('lemma',\) names no column 'word'"):
        read(tmp_path, "a (V*)\n", columns=("lemma",))
    with pytest.raises(InputError, match=r"a.conll:1: roles come without a column 'lemma' or 'frame'"):
        read(tmp_path, "a (V*)\n", columns=("word",))


@pytest.mark.parametrize("columns", [("word", "lemma"), ("word", "lemma", "frame")])
def test_what_is_written_is_read_again(columns, tmp_path):
    records = read(tmp_path, CATS)
    text = conll_text([r.values for r in records], columns=columns)
    again = read(tmp_path, text, name="b.conll", columns=columns)
    for one, other in zip(records, again, strict=True):
        for name in ("words", "spans"):
            assert one.values[name] == other.values[name]
        for before, after in zip(one.values["predicates"], other.values["predicates"], strict=True):
            assert {name: before[name] for name in ("index", *columns[1:])} == after


def test_lemmas_that_are_unknown_and_cells_with_spaces_can_be_written():
    sentence = {"words": ["a b", "sleeps"], "predicates": [{"index": 1}], "spans": [[(0, 1, "A0"), (1, 2, "V")]]}
    assert conll_text([sentence]) == "a_b - (A0*)\nsleeps sleeps (V*)\n\n"
    assert conll_text([sentence], columns=("lemma",)) == "- (A0*)\nsleeps (V*)\n\n"


def test_columns_of_roles_stand_in_the_order_of_the_words_whatever_that_of_the_predicates(tmp_path):
    first, second = [(0, 1, "A0"), (1, 2, "V")], [(0, 1, "A1"), (2, 3, "V")]
    sentence = {"words": ["a", "b", "c"], "predicates": [{"index": 2}, {"index": 1}], "spans": [second, first]}
    (again,) = read(tmp_path, conll_text([sentence]))
    assert [each["index"] for each in again.values["predicates"]] == [1, 2]
    assert again.values["spans"] == [first, second]


@pytest.mark.parametrize("word", ["-", "*", "(A0*"])
def test_a_predicate_that_looks_like_none_or_like_roles_is_read_again(word, tmp_path):
    sentence = {"words": [word, "b"], "predicates": [{"index": 0}], "spans": [[(0, 1, "V"), (1, 2, "A1")]]}
    (again,) = read(tmp_path, conll_text([sentence]))
    assert again.values["words"] == [word, "b"]
    assert again.values["predicates"] == [{"index": 0, "lemma": "_"}]
    assert again.values["spans"] == sentence["spans"]


def test_spans_that_overlap_cannot_be_written():
    assert brackets([(0, 3, "A"), (3, 4, "B")], 5) == ["(A*", "*", "*)", "(B*)", "*"]
    for wrong in ([(0, 2, "A"), (1, 3, "B")], [(1, 1, "A")], [(2, 4, "A")]):
        with pytest.raises(ValueError, match="is empty, too long or lies over another"):
            brackets(wrong, 3)


@pytest.mark.skipif(not HERE.is_dir(), reason=f"{HERE} is not there")
def test_the_english_web_treebank_is_read_in_full_and_written_again(tmp_path):
    records = read_records(HERE / "dev.conll.gz")
    roles = sum(label != "V" for r in records for spans in r.values["spans"] for _, _, label in spans)
    assert (len(records), sum(len(r.values["predicates"]) for r in records), roles) == (1974, 4977, 9600)
    again = read(tmp_path, conll_text([r.values for r in records]))
    assert [r.values["spans"] for r in again] == [r.values["spans"] for r in records]
