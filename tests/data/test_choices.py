import numpy as np
import pytest

from data.choices import choice_examples
from data.classification import separators
from data.records import Record
from errors import InputError

FIELDS = {"text": "article", "question": "question", "choices": "options", "label": "answer"}


def asked(**changes):
    values = {"article": "a whale swam", "question": "who ?", "options": ["a whale", "a dog"], "answer": 1}
    return Record(values | changes, "race.jsonl:3")


def made(tokenizer, *records, **how):
    return choice_examples(records, tokenizer, **({"length": 64} | FIELDS | how))


def test_a_question_is_a_row_for_each_choice(tokenizer):
    found = made(tokenizer, asked(), asked(options=["x", "y", "z"], answer="C"))
    assert (len(found), found.most, found.labels.tolist()) == (2, 3, [1, 2])
    example = found[0]
    assert (len(example["rows"]), example["room"], example["index"], example["label"]) == (2, 3, 0, 1)
    for row, choice in zip(example["rows"], ("a whale", "a dog"), strict=True):
        parts = [tokenizer.encode("a whale swam"), separators(tokenizer), tokenizer.encode(f"who ? {choice}")]
        assert row["input_ids"].tolist() == [tokenizer.cls_id, *np.concatenate(parts), tokenizer.sep_id]
    assert len(found[1]["rows"]) == 3
    assert found.lengths.tolist() == [max(len(row["input_ids"]) for row in found[n]["rows"]) for n in range(2)]


def test_a_choice_stands_in_the_blank_if_there_is_one(tokenizer):
    records = asked(question="_ swam , and _"), asked(question="who ?")
    filled, after = made(tokenizer, *records, blank="_")
    shown = [tokenizer.decode(example["rows"][1]["input_ids"][1:-1]) for example in (filled, after)]
    assert shown[0].endswith("a dog swam , and a dog")
    assert shown[1].endswith("who ? a dog")
    assert "_ swam , and _ a dog" in tokenizer.decode(made(tokenizer, records[0])[0]["rows"][1]["input_ids"])
    alone = made(tokenizer, asked(), question="")[0]["rows"][1]["input_ids"]
    assert tokenizer.decode(alone).count("who") == 0


@pytest.mark.parametrize(("answer", "place"), [(0, 0), (1, 1), ("A", 0), ("B", 1), ("a dog", 1), ("a whale", 0)])
def test_a_label_is_a_place_a_letter_or_the_text(answer, place, tokenizer):
    assert made(tokenizer, asked(answer=answer)).labels.tolist() == [place]


def test_a_label_that_is_one_choices_letter_and_anothers_text_is_refused(tokenizer):
    assert made(tokenizer, asked(options=["A", "B"], answer="B")).labels.tolist() == [1]
    assert made(tokenizer, asked(options=["x", "x"], answer="B")).labels.tolist() == [1]
    with pytest.raises(InputError, match=r"race.jsonl:3: the answer 'A' is the letter of one choice and"):
        made(tokenizer, asked(options=["B", "A"], answer="A"))


@pytest.mark.parametrize("answer", [2, -1, True, None, "C", "1", "a cat", "", "AB", 0.0])
def test_a_label_that_is_no_choice_is_refused_with_file_and_line(answer, tokenizer):
    with pytest.raises(InputError, match=r"race.jsonl:3: the answer .* is no choice: .* 0 to 1, its letter, A to B"):
        made(tokenizer, asked(answer=answer))


def test_lists_are_questions_of_their_own_about_one_text(tokenizer):
    lists = {"question": ["who ?", "what ?"], "options": [["x", "y"], ["v", "w", "z"]], "answer": ["B", "A"]}
    found = made(tokenizer, asked(**lists), asked())
    assert found.origins == ("race.jsonl:3, question 1", "race.jsonl:3, question 2", "race.jsonl:3")
    assert found.choices == (("x", "y"), ("v", "w", "z"), ("a whale", "a dog"))
    assert found.labels.tolist() == [1, 0, 1]
    unlabelled = made(tokenizer, asked(**lists | {"answer": None}), label=None)
    assert unlabelled.labels is None
    assert "label" not in unlabelled[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"question": ["who ?", "what ?"]},
            "race.jsonl:3: its question, options, answer are not lists of equal length",
        ),
        ({"question": ["who ?"]}, "not lists of equal length"),  # two options, one question
        ({"question": [], "options": [], "answer": []}, "race.jsonl:3: its question are an empty list; ask something"),
        ({"options": ["only"]}, "race.jsonl:3: has 1 options, and there is nothing to choose below 2"),
        ({"options": "AB"}, "race.jsonl:3: its options are 'AB', not a list of texts"),
        ({"options": ["a", 2]}, "not a list of texts"),
        ({"article": 3}, "race.jsonl:3: the field 'article' is int, not text"),
    ],
)
def test_what_is_no_question_is_refused(changes, message, tokenizer):
    with pytest.raises(InputError, match=message):
        made(tokenizer, asked(**changes))
