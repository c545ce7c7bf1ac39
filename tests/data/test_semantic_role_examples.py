"""Sentences, tags and examples of predicates and their roles."""

import numpy as np
import pytest

from data.records import Record
from data.semantic_roles import TYPES, PackedRoles, PadRoles, role_examples, token_types
from data.sentences import UNKNOWN, labels_of, sentences_of, spans_of, tags_of, unknown_spans
from data.tokenizer import Tokenizer
from errors import InputError

LABELS = ("ARG0", "ARG1", "V")


def sentence(words: str, *predicates, origin: str = "a.conll:1"):
    """`predicates` are (word, spans)."""
    values = {"words": words.split(), "predicates": [{"index": at} for at, _ in predicates]}
    return sentences_of([Record(values | {"spans": [spans for _, spans in predicates]}, origin)])[0]


@pytest.fixture(scope="module")
def whales():
    return [
        sentence("a Whale swam past", (2, [(0, 2, "ARG0"), (2, 3, "V")]), (3, [(3, 4, "V")])),
        sentence("the sea", origin="a.conll:6"),
    ]


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text).tolist()


def test_words_know_their_characters_and_texts_become_sentences():
    plain = Record({"text": " Hi there. We can't go!"}, "b.txt:3")
    one, two = sentences_of([plain])
    assert (one.text, one.begin, one.words) == ("Hi there.", 1, ("Hi", "there", "."))
    assert (two.text, two.begin, two.words) == ("We can't go!", 11, ("We", "ca", "n't", "go", "!"))
    assert one.predicates is None
    assert two.origin == "b.txt:3"
    given = sentence("ab c d")
    assert [given.text[begin:end] for begin, end in given.places] == ["ab", "c", "d"]
    assert sentences_of([Record({"letter": "Hi."}, "b:1")], text="letter")[0].text == "Hi."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": 3}, "has neither 'words' nor a text in 'text'; its fields are 'text'"),
        ({"text": " \t"}, "the text in 'text' has no word"),
        ({"words": []}, "'words' must be a list of at least one word"),
        ({"words": "ab"}, "'words' must be a list"),
        ({"words": ["a", " "]}, "'words' must be a list"),
        ({"words": ["a"], "predicates": [{"index": 1}]}, "a predicate should be like .* a word of 1; it is"),
        ({"words": ["a"], "predicates": [{"index": 0}] * 2}, r"its word 0 \(0 = first\) is a predicate twice"),
        ({"words": ["a"], "spans": [[]]}, "has spans of 1 predicates, but 0 predicates"),
        ({"words": ["a"], "predicates": None}, "'predicates' must be a list; leave it out"),
        ({"words": ["a"], "predicates": [{"index": 0}], "spans": [[0, 1]]}, "'spans' must hold for each predicate"),
        ({"words": ["a"], "predicates": [{"index": 0}], "spans": [["ab"]]}, "'spans' must hold for each predicate"),
        (
            {"words": ["a"], "predicates": [{"index": 0}], "spans": [[[0, 1, "V"], ["0", 1, "V"]]]},
            r"the span \('0', 1, 'V'\) of 1 words is none",
        ),
        ({"text": "a", "spans": []}, "has 'spans', which count words, and no 'words'"),
        (
            {"words": ["a"], "predicates": [{"index": 0}], "spans": [[[0, 2, "V"]]]},
            r"the span \(0, 2, 'V'\) of 1 words",
        ),
        (
            {"words": ["a", "b"], "predicates": [{"index": 0}], "spans": [[[0, 2, "V"], [1, 2, "A0"]]]},
            "lies over another",
        ),
    ],
)
def test_what_is_no_sentence_is_refused_with_file_and_line(values, message):
    with pytest.raises(InputError, match="x.jsonl:7: .*" + message):
        sentences_of([Record(values, "x.jsonl:7")])


def test_spans_become_tags_and_tags_spans():
    spans = [(0, 2, "ARG0"), (2, 3, "V"), (3, 4, "ARG0"), (4, 6, "ARG0")]
    tags = tags_of(spans, 7, LABELS)
    assert tags.tolist() == [1, 2, 5, 1, 1, 2, 0]
    assert spans_of(tags.tolist(), LABELS) == spans
    assert tags_of([(0, 2, "ARGM-X")], 3, LABELS).tolist() == [UNKNOWN, UNKNOWN, 0]


def test_labels_are_those_of_the_data_and_v(whales):
    assert labels_of(whales) == ("ARG0", "V")
    assert labels_of([]) == ("V",)
    assert unknown_spans(whales, ("V",)) == [("ARG0", "a.conll:1")]


def test_a_sentence_asks_for_its_predicates_and_then_for_the_roles_of_each(tokenizer, whales):
    found = role_examples(whales, tokenizer, length=64, labels=LABELS)
    words = [ids_of(tokenizer, word) for word in ("a", " Whale", " swam", " past")]
    tokens = [tokenizer.cls_id, *(i for word in words for i in word), tokenizer.sep_id]
    begins = np.cumsum([1, *map(len, words)])[:4]
    assert len(found) == 4
    assert [(item.sentence, item.predicate) for item in found.items] == [(0, None), (0, 0), (0, 1), (1, None)]
    for example in (found[i] for i in range(3)):
        assert example["input_ids"].tolist() == tokens
        assert np.flatnonzero(example["word_starts"]).tolist() == begins.tolist()
        assert example["label_weights"].tolist() == example["word_starts"].tolist()
    assert found[0]["token_type_ids"].sum() == 0
    assert found[0]["labels"][begins].tolist() == [0, 0, 5, 5]
    marked = found[1]["token_type_ids"]
    assert np.flatnonzero(marked).tolist() == list(range(begins[2], begins[3]))
    assert found[1]["marks"].tolist() == marked.tolist()
    assert found[1]["labels"][begins].tolist() == [1, 2, 5, 0]
    assert found[2]["labels"][begins].tolist() == [0, 0, 0, 5]
    assert found.lengths.tolist() == [len(tokens)] * 3 + [len(found[3]["input_ids"])]
    assert found.windowed == 0


def test_token_types_tell_the_predicate_and_with_twelve_how_far_it_is(tokenizer, whales):
    assert token_types(5, 2, 2).tolist() == token_types(5, 2, 11).tolist() == [0, 0, 1, 0, 0]
    after, before = [2, 3, 4, 4, 5, 5, 5, 5, 6, 6], [11, 11, 10, 10, 10, 10, 9, 9, 8, 7]
    assert token_types(21, 10, 12).tolist() == [*before, 1, *after]
    found = role_examples(whales, tokenizer, length=64, labels=LABELS, types=12)
    assert max(token_types(99, 50, 99)) == TYPES - 1
    types, starts = found[1]["token_type_ids"], np.flatnonzero(found[1]["word_starts"])
    assert types[starts].tolist() == [8, 7, 1, 2]
    assert types[[0, -1]].tolist() == [0, 0]
    assert (types[1:-1] > 0).all()
    assert not found[0]["token_type_ids"].any()


@pytest.mark.parametrize("types", [0, 1])
def test_a_net_without_token_types_sees_the_predicate_between_separators(types, tokenizer, whales):
    with_types = role_examples(whales, tokenizer, length=64, labels=LABELS)
    found = role_examples(whales, tokenizer, length=64, labels=LABELS, types=types)
    assert "token_type_ids" not in found[0]
    assert found[0]["input_ids"].tolist() == with_types[0]["input_ids"].tolist()
    ids, marks = found[1]["input_ids"], found[1]["marks"]
    inside = np.flatnonzero(marks)
    assert ids[inside].tolist() == ids_of(tokenizer, " swam")
    assert ids[[inside[0] - 1, inside[-1] + 1]].tolist() == [tokenizer.sep_id] * 2
    assert ids[[i for i in range(len(ids)) if i not in (inside[0] - 1, inside[-1] + 1)]].tolist() == (
        with_types[1]["input_ids"].tolist()
    )
    starts = found[1]["word_starts"] == 1
    assert found[1]["labels"][starts].tolist() == [1, 2, 5, 0]
    assert found[1]["label_weights"].tolist() == found[1]["word_starts"].tolist()
    assert found.lengths.tolist() == [len(found[i]["input_ids"]) for i in range(len(found))]
    assert found.lengths[1] == with_types.lengths[1] + 2


def test_a_label_that_is_not_known_has_no_weight(tokenizer, whales):
    found = role_examples(whales, tokenizer, length=64, labels=("ARG1", "V"))
    begins = np.flatnonzero(found[1]["word_starts"])
    assert found[1]["label_weights"][begins].tolist() == [0, 0, 1, 1]


def test_without_labels_there_are_none_and_either_kind_may_be_left_out(tokenizer, whales):
    found = role_examples(whales, tokenizer, length=64, labels=None, unmarked=False)
    assert [item.predicate for item in found.items] == [0, 1]
    assert set(found[0]) == {"input_ids", "token_type_ids", "word_starts", "marks", "index"}
    assert len(role_examples(whales, tokenizer, length=64, labels=None, marked=False)) == 2


@pytest.mark.parametrize("kind", ["byte_bpe", "wordpiece", "unigram"])
def test_every_word_has_a_token_whatever_the_tokenizer_makes_of_it(kind, texts):
    tokenizer = Tokenizer.train(kind, texts, vocab_size=320)
    odd = "whale , \u200b \u0301 \U0001f40b a\u00a0b \ufe0f swam.past ? x"
    given = sentence(odd)
    found = role_examples([given], tokenizer, length=128, labels=LABELS)
    assert found[0]["word_starts"].sum() == len(given.words)
    assert len(found.starts[0]) == len(given.words) + 1
    assert (np.diff(found.starts[0]) > 0).all()


@pytest.mark.parametrize("types", [0, 2])
def test_a_long_sentence_is_shown_in_parts_and_no_word_is_left_out(types, tokenizer):
    words = " ".join(["whale"] * 30)
    roles = [(0, 12, "ARG0"), (12, 13, "V"), (13, 30, "ARG1")]
    long = sentence(words, (12, roles), (0, [(0, 1, "V")]), (29, [(29, 30, "V")]))
    found = role_examples([long], tokenizer, length=14 if types else 16, labels=LABELS, types=types)
    assert all(len(found[i]["input_ids"]) <= (14 if types else 16) for i in range(len(found)))
    assert found.lengths.tolist() == [len(found[i]["input_ids"]) for i in range(len(found))]
    unmarked = [item for item in found.items if item.predicate is None]
    assert unmarked[0].first == 0
    assert [i.last for i in unmarked] == [*[i.first for i in unmarked][1:], 30]
    assert found.windowed == len(found)
    for number, item in enumerate(found.items):
        if item.predicate is not None:
            at = long.predicates[item.predicate]["index"]
            assert item.first <= at < item.last
            assert found[number]["marks"].sum() == found.starts[0][at + 1] - found.starts[0][at]
            size = found.starts[0][item.last] - found.starts[0][item.first]
            assert size > 12 - 2 * max(np.diff(found.starts[0]))  # as much as fits, but for a word at either end
    middle = next(n for n, item in enumerate(found.items) if item.predicate == 0)
    assert found.tags(middle)[0] == 1  # a span that began before begins with the part
    starts = found[middle]["word_starts"] == 1
    assert spans_of(found[middle]["labels"][starts].tolist(), LABELS)[0][2] == "ARG0"


def test_a_word_longer_than_a_row_is_refused_with_file_and_line(tokenizer):
    with pytest.raises(InputError, match=r"a.conll:1: the word 'xyz.* has \d+ tokens, more than the 6 that fit"):
        role_examples([sentence("xyz" * 9)], tokenizer, length=8, labels=LABELS)


def test_rows_hold_every_example_once_and_read_as_if_it_stood_alone(tokenizer, whales):
    examples = role_examples(whales * 5, tokenizer, length=40, labels=LABELS)
    rows = PackedRoles(examples, length=40, pad_id=tokenizer.pad_id, seed=0, first_place=2)
    seen = []
    for row in (rows[i] for i in range(len(rows))):
        assert all(len(value) == 40 for value in row.values())
        assert row["attention_mask"].tolist() == (row["segment_ids"] > 0).tolist()
        assert (row["input_ids"][row["segment_ids"] == 0] == tokenizer.pad_id).all()
        for number in range(1, row["segment_ids"].max() + 1):
            inside = row["segment_ids"] == number
            assert row["position_ids"][inside].tolist() == list(range(2, 2 + inside.sum()))
            seen.append(tuple(tuple(row[name][inside]) for name in ("input_ids", "token_type_ids", "labels")))
    wanted = [
        tuple(tuple(example[name]) for name in ("input_ids", "token_type_ids", "labels"))
        for example in (examples[i] for i in range(len(examples)))
    ]
    assert sorted(seen) == sorted(wanted)
    again = PackedRoles(examples, length=40, pad_id=tokenizer.pad_id, seed=0, first_place=2)
    assert again[0]["input_ids"].tolist() == rows[0]["input_ids"].tolist()
    assert rows.fill == examples.lengths.sum() / (len(rows) * 40)


def test_padding_goes_to_the_smallest_length_that_holds_the_longest(tokenizer, whales):
    examples = role_examples(whales, tokenizer, length=64, labels=LABELS)
    batch = PadRoles((32, 64), tokenizer.pad_id)([examples[1], examples[3]])
    assert {name: value.shape for name, value in batch.items()} == {
        name: (2,) if name == "index" else (2, 32) for name in (*examples[0], "attention_mask")
    }
    assert (batch["label_weights"] <= batch["attention_mask"]).all()
    assert batch["label_weights"].dtype == np.float32
