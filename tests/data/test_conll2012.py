"""Documents with coreference in the columns of the CoNLL-2012 shared task: read, written, and refused where broken."""

import pytest

from data.conll2012 import conll2012_text, read_conll2012
from data.records import read_records
from errors import InputError

# The form of OntoNotes' files; the words are made up.
LINES = """\
#begin document (bc/made/00/made_0000); part 000
bc/made/00/made_0000   0   0       Ann   NNP  (TOP(S(NP*  -   -   -   Host_One  (PERSON)  (ARG0*)  (3
bc/made/00/made_0000   0   1        's   POS           *)  -   -   -   Host_One      *        *       -
bc/made/00/made_0000   0   2    sister    NN          *)  -   -   -   Host_One      *        *   (7)|3)
bc/made/00/made_0000   0   3       saw   VBD        (VP*  see  01  1   Host_One      *      (V*)     -

bc/made/00/made_0000   0   0       She   PRP  (TOP(S(NP*  -   -   -   Guest  *  (ARG0*)  (3)
bc/made/00/made_0000   0   1        it   PRP        (NP*  -   -   -   Guest  *  (ARG1*)  (7|(7|7)|7)

#end document
#begin document (bc/made/00/made_0000); part 001
bc/made/00/made_0000   1   0   No   UH  (TOP*)  -  -  -  Guest  *  *  -

#end document
"""
FIRST = {
    "doc_key": "bc/made/00/made_0000_0",
    "sentences": [["Ann", "'s", "sister", "saw"], ["She", "it"]],
    "clusters": [[[2, 2], [5, 5], [5, 5]], [[0, 2], [4, 4]]],
    "speakers": [["Host_One"] * 4, ["Guest"] * 2],
}


def test_a_document_is_read_with_its_nested_mentions_and_its_speakers():
    (first, origin), (second, later) = read_conll2012("made.conll", LINES)
    assert origin == "made.conll:1"
    assert first == FIRST
    assert later == "made.conll:11"
    assert second["doc_key"] == "bc/made/00/made_0000_1"
    assert second["clusters"] == []


@pytest.mark.parametrize("name", ["made.conll", "dev.english.v4_gold_conll"])
def test_a_file_is_told_by_its_first_line(tmp_path, name):
    (tmp_path / name).write_text(LINES)
    assert read_records(tmp_path / name)[0].values == FIRST


def test_what_is_written_is_read_back():
    nested = {
        "doc_key": "wb/x_3",
        "sentences": [["a", "b", "c"], ["d", "e f"]],
        "clusters": [[[0, 2], [0, 0], [1, 2]], [[0, 1], [2, 2], [3, 4]], [[4, 4], [0, 1]]],
    }
    text = conll2012_text([nested, nested | {"doc_key": "no part", "clusters": []}])
    (read, _), (other, _) = read_conll2012("again", text)
    assert {tuple(map(tuple, c)) for c in read["clusters"]} == {
        tuple(sorted(map(tuple, c))) for c in nested["clusters"]
    }
    assert read["doc_key"] == "wb/x_3"
    assert read["sentences"] == [["a", "b", "c"], ["d", "e_f"]]
    assert other["doc_key"] == "no part_0"
    assert "part 003" in text
    # one that begins first is open longest, as the reference scorer's own files have it
    assert text.splitlines()[1].endswith(" (0|(1|(2|(0)")


def test_white_space_in_the_name_of_a_document_moves_no_word():
    document = {"doc_key": "my texts/a.jsonl:1", "sentences": [["a", "b"]], "clusters": [[[0, 0], [1, 1]]]}
    ((read, _),) = read_conll2012("again", conll2012_text([document]))
    assert read == document | {"doc_key": "my texts/a.jsonl:1_0"}


def doc(*rows: str) -> str:
    return "\n".join(["#begin document (d); part 000", *rows, "", "#end document", ""])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("d 0 0 word -\n", r"f:1: stands in no document"),
        (
            doc("d 0 0 a (1", "", "d 0 0 b 1)"),
            r"f:2: the mention of cluster 1 that begins here does not end in its sent",
        ),
        (doc("d 0 0 a 1)"), r"f:2: '1\)' ends a mention of cluster 1 that is not open"),
        (doc("d 0 0 a (x)"), r"f:2: '\(x\)' in the last column is no mention"),
        (doc("d 0 0 a 12"), r"f:2: '12' in the last column is no mention"),
        (doc("d 0 0 a"), r"f:2: has 4 columns"),
        (doc(), r"f:1: the document has no word"),
        (doc("d 0 0 a -").replace("#end document", ""), r"f:1: the document that begins here has no '#end document'"),
        (
            doc("d 0 0 a -").replace("#end document", "") + doc("d 0 0 a -"),
            r"f:1: the document that begins here has no",
        ),
    ],
)
def test_what_is_broken_is_named_by_its_line(text, message):
    with pytest.raises(InputError, match=message):
        list(read_conll2012("f", text))
