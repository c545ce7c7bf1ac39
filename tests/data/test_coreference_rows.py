"""Documents with clusters as rows: which token is of which word, what is lost, and what is refused."""

import numpy as np
import pytest

from data.coreference import PadCoreference, coreference_examples
from data.documents import documents_of
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError

SENTENCES = [["Ann", "saw", "Bo", "."], ["Ann", "Smith", "saw", "him", "there"], ["No", "."]]
CLUSTERS = [[[0, 0], [4, 5]], [[2, 2], [7, 7]]]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train("wordpiece", ["ann saw bo . smith him there no host guest : "] * 9, vocab_size=200)


def documents(**values):
    given = {"doc_key": "d_0", "sentences": SENTENCES, "clusters": CLUSTERS} | values
    return documents_of([Record(given, "f.jsonl:1")], text="sentences", labelled=True)


def rows(tokenizer, found, length=64, most=8):
    return coreference_examples(found, tokenizer, length=length, mention_tokens=most, labelled=True)


def said(tokenizer, example) -> list[str]:
    return [tokenizer.token(int(i)) for i in example["input_ids"]]


def spans(tokenizer, example) -> set[tuple[str, int]]:
    """The text and the cluster of each mention of a row."""
    ids = example["input_ids"]
    return {(tokenizer.decode(ids[first : first + more + 1]), c) for first, more, c in example["mentions"].tolist()}


def test_a_document_is_a_row_of_whole_words(tokenizer):
    examples = rows(tokenizer, documents())
    assert len(examples) == 1
    example = examples[0]
    real = example["sentence_ids"] > 0
    assert real[1:-1].all()
    assert not real[[0, -1]].any()
    words = [w for s in SENTENCES for w in s]
    assert example["word_begins"].sum() == example["word_ends"].sum() == len(words)
    begins, ends = np.flatnonzero(example["word_begins"]), np.flatnonzero(example["word_ends"])
    got = [tokenizer.decode(example["input_ids"][a : b + 1]) for a, b in zip(begins, ends, strict=True)]
    assert got == [word.lower() for word in words]
    assert spans(tokenizer, example) == {("ann", 1), ("ann smith", 1), ("bo", 2), ("him", 2)}
    assert (examples.split, examples.lost) == (0, 0)


def test_a_speaker_is_named_where_it_changes_and_is_no_word(tokenizer):
    who = [["Host"] * 4, ["Host"] * 5, ["Guest"] * 2]
    example = rows(tokenizer, documents(speakers=who))[0]
    text = said(tokenizer, example)
    assert text[1:6] == ["host", ":", "ann", "saw", "bo"]
    assert text[-5:] == ["guest", ":", "no", ".", tokenizer.token(tokenizer.sep_id)]
    assert text.count("host") == 1
    assert not example["sentence_ids"][[1, 2]].any()
    assert spans(tokenizer, example) == {("ann", 1), ("ann smith", 1), ("bo", 2), ("him", 2)}
    alone = rows(tokenizer, documents(speakers=[["Host"] * 4, ["Host"] * 5, ["Host"] * 2]))[0]
    assert "host" not in said(tokenizer, alone)


def test_a_long_document_becomes_rows_of_whole_sentences_and_says_what_it_lost(tokenizer):
    whole = rows(tokenizer, documents())
    length = 2 + 4 + 5  # the first sentence and the second do not fit together with the third
    examples = rows(tokenizer, documents(), length=length)
    assert [(row.first, row.last) for row in examples.rows] == [(0, 9), (9, 11)]
    assert max(examples.lengths) <= length
    again = np.concatenate([row.ids[1:-1] for row in examples.rows])
    np.testing.assert_array_equal(again, whole.rows[0].ids[1:-1])
    assert (examples.split, examples.lost) == (1, 0)
    cut = rows(tokenizer, documents(clusters=[[[0, 0], [4, 8]]]), length=5 + 2 - 1)  # the second sentence is cut too
    assert [(row.first, row.last) for row in cut.rows] == [(0, 4), (4, 8), (8, 11)]
    assert cut.lost == 1
    assert "1 divided, 1 mentions lost" in cut.told()
    short = rows(tokenizer, documents(), most=1)
    assert short.lost == 1  # Ann Smith


def test_speakers_leave_room_for_words_however_short_the_row(tokenizer):
    who = [["Host"] * 4, ["Guest"] * 5, ["Host"] * 2]
    for length in range(3, 20):
        examples = rows(tokenizer, documents(speakers=who), length=length)
        assert max(examples.lengths) <= length
        words = np.concatenate([row.words[row.words >= 0] for row in examples.rows])
        assert set(words.tolist()) == set(range(11))


def test_a_batch_has_the_cluster_of_every_span(tokenizer):
    examples = rows(tokenizer, documents())
    batch = PadCoreference((16, 32), tokenizer.pad_id, mention_tokens=8)([examples[0], examples[0]])
    assert batch["input_ids"].shape == (2, 16)
    assert batch["labels"].shape == (2, 16, 8)
    example = examples[0]
    for first, more, cluster in example["mentions"].tolist():
        assert batch["labels"][1, first, more] == cluster
    assert (batch["labels"][1] > 0).sum() == 4
    assert not batch["sentence_ids"][:, len(example["input_ids"]) :].any()


def test_a_mention_told_twice_counts_once(tokenizer):
    found = documents(clusters=[*CLUSTERS, [[0, 0], [7, 7], [3, 3]]])
    assert found[0].twice == 2
    assert found[0].clusters[2] == ((3, 3),)
    assert "2 told twice" in rows(tokenizer, found).told()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sentences": "Ann saw"}, "f.jsonl:1: 'sentences' must be a list of sentences"),
        ({"sentences": [["Ann", 3]]}, "f.jsonl:1: 'sentences' must be a list of sentences"),
        ({"sentences": [["Ann", " "]]}, "f.jsonl:1: 'sentences' must hold at least one word, and none of white space"),
        ({"sentences": [[]]}, "f.jsonl:1: 'sentences' must hold at least one word"),
        ({"speakers": [["Host"]]}, "f.jsonl:1: 'speakers' must have one name for each word"),
        ({"clusters": [[[0, 11]]]}, r"f.jsonl:1: the mention \[0, 11\] in 'clusters' is no pair .* 11 words"),
        ({"clusters": [[[2, 1]]]}, "f.jsonl:1: the mention"),
        ({"clusters": [[0, 1]]}, "f.jsonl:1: the mention 0 "),
        ({"clusters": 7}, "f.jsonl:1: the mention 7 "),
    ],
)
def test_a_document_that_is_none_is_named(values, message):
    with pytest.raises(InputError, match=message):
        documents(**values)


def test_a_word_longer_than_a_row_is_refused(tokenizer):
    with pytest.raises(InputError, match=r"f.jsonl:1: the word 'hostguesthost.*' has \d+ tokens, more than the 4"):
        rows(tokenizer, documents(sentences=[["ann", "hostguesthostguest"]], clusters=[]), length=6)


def test_two_documents_of_one_name_are_refused():
    records = [Record({"doc_key": "d_0", "sentences": SENTENCES}, f"f.jsonl:{line}") for line in (1, 4)]
    with pytest.raises(InputError, match=r"f.jsonl:4: the doc_key 'd_0' is also that of f.jsonl:1; give each its own"):
        documents_of(records, text="sentences", labelled=False)
