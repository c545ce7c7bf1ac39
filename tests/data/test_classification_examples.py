import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.classification import PadTo, classes_of, classification_examples
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError

ROOT = str(Path(__file__).parents[2])


def records(*pairs):
    return [Record({"text": text, "label": label}, f"reviews.csv:{n}") for n, (text, label) in enumerate(pairs, 2)]


def test_a_text_becomes_cls_text_sep_and_its_label(tokenizer):
    found = classification_examples(
        records(("a whale", "good"), ("", "bad")), tokenizer, length=64, classes=("bad", "good")
    )
    assert found[0]["input_ids"].tolist() == [tokenizer.cls_id, *tokenizer.encode("a whale"), tokenizer.sep_id]
    assert found[1]["input_ids"].tolist() == [tokenizer.cls_id, tokenizer.sep_id]
    assert found.labels.tolist() == [1, 0]
    assert found.origins == ("reviews.csv:2", "reviews.csv:3")
    assert found.lengths.tolist() == [len(found[0]["input_ids"]), 2]
    assert [int(found[i]["index"]) for i in range(2)] == [0, 1]


def test_long_texts_lose_their_end_and_are_counted(tokenizer):
    long = "a whale swam past " * 20
    found = classification_examples(records((long, 0), ("a", 1)), tokenizer, length=16, classes=("x", "y"))
    ids = found[0]["input_ids"].tolist()
    assert ids == [tokenizer.cls_id, *tokenizer.encode(long)[:14], tokenizer.sep_id]
    assert found.truncated == 1


def test_labels_are_names_first_and_numbers_otherwise(tokenizer):
    def labels(classes, *values):
        given = records(*(("a", value) for value in values))
        return classification_examples(given, tokenizer, length=8, classes=classes).labels.tolist()

    assert labels(("neg", "pos"), "pos", 0, "1") == [1, 0, 1]
    assert labels(("1", "0"), 1, "0") == [0, 1]
    assert labels(("false", "true"), True, False) == [1, 0]


@pytest.mark.parametrize("label", ["goood", "", 2, -1, None, True, 0.5, "²", [1]])
def test_a_label_outside_the_classes_is_refused_with_file_and_line(label, tokenizer):
    given = records(("fine", "good"), ("a", label))
    with pytest.raises(InputError, match=r"reviews.csv:3: the label .* is not one of the 2 classes \(bad, good\)"):
        classification_examples(given, tokenizer, length=8, classes=("bad", "good"))


@pytest.mark.parametrize(("classes", "label"), [(("1", "2", "3"), "0"), (("-1", "1"), 0), (("10", "x"), "1")])
def test_where_a_class_is_called_by_a_number_other_numbers_name_none(classes, label, tokenizer):
    given = records(("fine", classes[0]), ("a", label))
    with pytest.raises(InputError, match=rf"reviews.csv:3: the label '{label}' is not one of the {len(classes)} class"):
        classification_examples(given, tokenizer, length=8, classes=classes)


def test_a_number_longer_than_python_reads_is_a_name_like_any_other(tokenizer):
    huge = "9" * 5000
    assert classes_of(records(("a", "7"), ("b", huge)), "label") == ("7", huge)
    with pytest.raises(InputError, match=r"reviews.csv:2: the label '9{80}' is not one of the 2 classes \(no, yes\)"):
        classification_examples(records(("a", huge)), tokenizer, length=8, classes=("no", "yes"))


def test_classes_that_are_one_number_have_the_same_order_in_every_process():
    program = """
from data.classification import classes_of
from data.records import Record
print(*classes_of([Record({"label": name}, "a:1") for name in ("2", "01", "1", "001", "0001", "-0", "0")], "label"))
"""
    for seed in range(4):
        environment = os.environ | {"PYTHONPATH": ROOT, "PYTHONHASHSEED": str(seed)}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert ran.stdout.split() == ["-0", "0", "0001", "001", "01", "1", "2"]


def test_missing_fields_and_texts_that_are_none_are_refused(tokenizer):
    with pytest.raises(InputError, match=r"reviews.csv:2: has no field 'review'; its fields are 'text', 'label'"):
        classification_examples(records(("a", "x")), tokenizer, length=8, classes=("x",), text="review")
    with pytest.raises(InputError, match=r"reviews.csv:2: the field 'text' is int, not text"):
        classification_examples(records((3, "x")), tokenizer, length=8, classes=("x",))
    with pytest.raises(InputError, match="leaves no room"):
        classification_examples(records(("a", "x")), tokenizer, length=2, classes=("x",))


@pytest.mark.parametrize(
    ("own", "classes", "label"),
    [
        (("neg", "pos"), ("pos", "neg"), 0),
        (("neg", "pos"), ("other", "neg", "pos"), 2),
        (("neg", "pos"), ("bad", "good"), 1),
        (("1", "2"), ("0", "1"), 1),
        ((), ("pos", "neg"), 1),
    ],
)
def test_a_number_means_what_its_source_calls_it_and_else_counts_the_classes(own, classes, label, tokenizer):
    record = Record({"text": "a", "label": 1}, "reviews/train:0", {"label": own} if own else {})
    assert classification_examples([record], tokenizer, length=8, classes=classes).labels.tolist() == [label]


def test_a_number_whose_name_is_none_of_the_classes_is_refused(tokenizer):
    record = Record({"text": "a", "label": 1}, "rte/train:0", {"label": ("entailment", "not_entailment")})
    with pytest.raises(InputError, match=r"rte/train:0: the label 'not_entailment' is not one of the 3 classes"):
        classification_examples([record], tokenizer, length=8, classes=("entailment", "neutral", "contradiction"))


def test_prediction_needs_no_label(tokenizer):
    found = classification_examples([Record({"text": "a"}, "a:1")], tokenizer, length=8, classes=("x",), label=None)
    assert found.labels is None
    assert set(found[0]) == {"input_ids", "index"}


def test_pairs_follow_the_family_of_the_tokenizer(tokenizer):
    pair = [Record({"a": "a whale", "b": "the sea"}, "p:1")]
    roberta = classification_examples(pair, tokenizer, length=64, classes=("x",), text="a", pair="b", label=None)
    one, two = tokenizer.encode("a whale").tolist(), tokenizer.encode("the sea").tolist()
    cls, sep = tokenizer.cls_id, tokenizer.sep_id
    assert roberta[0]["input_ids"].tolist() == [cls, *one, sep, sep, *two, sep]
    assert "token_type_ids" not in roberta[0]
    bert = Tokenizer.train("wordpiece", ["a whale the sea"] * 3, vocab_size=60)
    found = classification_examples(pair, bert, length=64, classes=("x",), text="a", pair="b", label=None)[0]
    one, two = bert.encode("a whale").tolist(), bert.encode("the sea").tolist()
    assert found["input_ids"].tolist() == [bert.cls_id, *one, bert.sep_id, *two, bert.sep_id]
    assert found["token_type_ids"].tolist() == [0] * (len(one) + 2) + [1] * (len(two) + 1)


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(30, 4, (12, 4)), (4, 30, (4, 12)), (30, 30, (8, 8)), (3, 4, (3, 4))]
)
def test_the_longer_of_a_pair_is_cut_first(first, second, kept, tokenizer):
    pair = [Record({"a": "?" * first, "b": "!" * second}, "p:1")]
    ids = classification_examples(pair, tokenizer, length=20, classes=("x",), text="a", pair="b", label=None)[0][
        "input_ids"
    ]
    marks = [int((ids == tokenizer.encode(mark)[0]).sum()) for mark in "?!"]
    assert tuple(marks) == kept
    assert len(ids) == sum(kept) + 4


def test_padding_goes_to_the_smallest_length_that_holds_the_longest():
    examples = [{"input_ids": np.arange(n, dtype=np.int32) + 5, "index": n, "label": 0} for n in (3, 6)]
    pad = PadTo((4, 8, 16), pad_id=1, global_first=True)
    batch = pad(examples)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 1, 1, 1, 1, 1], [5, 6, 7, 8, 9, 10, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1] * 3 + [0] * 5, [1] * 6 + [0] * 2]
    assert batch["global_attention_mask"].tolist() == [[1] + [0] * 7] * 2
    assert batch["labels"].tolist() == [0, 0]
    assert batch["index"].tolist() == [3, 6]
    assert pad(examples, longest=9)["input_ids"].shape == (2, 16)
    assert pad(examples[:1])["input_ids"].shape == (1, 4)
    with pytest.raises(InputError, match="an example of 17 tokens is longer than the longest batch, 16"):
        pad(examples, longest=17)
