import numpy as np
import pytest

from data.candidates import PadCandidates, candidate_examples
from data.records import Record
from errors import InputError

FIELDS = {"text": "supports", "question": "query", "choices": "candidates", "label": "answer"}


def asked(**changes):
    values = {"query": "where is it", "candidates": ["a sea", "the whale", "a ship"], "answer": "the whale"}
    return Record(values | {"supports": ["a whale swam .", "a ship sank ."]} | changes, "wikihop.jsonl:2")


def made(tokenizer, *records, **how):
    return candidate_examples(records, tokenizer, **({"length": 64} | FIELDS | how))


def test_a_row_is_the_question_its_candidates_and_the_documents_each_after_a_sep(tokenizer):
    example = made(tokenizer, asked())[0]
    parts = ["where is it", "a sea", "the whale", "a ship", "a whale swam .", "a ship sank ."]
    ids = [tokenizer.cls_id]
    starts = []
    for part in parts:
        ids += tokenizer.encode(part).tolist()
        starts.append(len(ids))
        ids.append(tokenizer.sep_id)
    assert example["input_ids"].tolist() == ids
    assert example["places"].tolist() == starts[:3]
    assert example["front"] == starts[3]
    assert example["label"] == 1
    one = made(tokenizer, asked(supports="a whale swam . a ship sank ."))[0]
    assert tokenizer.decode(one["input_ids"][one["front"] + 1 : -1]).strip() == "a whale swam . a ship sank ."


def test_documents_lose_their_end_and_the_front_nothing(tokenizer):
    long = asked(supports=["a whale swam . " * 30] * 3)
    found = made(tokenizer, long, asked(), length=48)
    assert found.cut == 1
    assert [len(found[n]["input_ids"]) for n in range(2)] == [48, len(made(tokenizer, asked())[0]["input_ids"])]
    whole = made(tokenizer, long, length=999)[0]["input_ids"]
    assert found[0]["input_ids"].tolist() == [*whole[:47], tokenizer.sep_id]
    assert found[0]["front"] == made(tokenizer, asked())[0]["front"]


def test_a_batch_has_room_for_the_most_candidates_of_the_split(tokenizer):
    two = asked(candidates=["a sea", "the whale"])
    found = made(tokenizer, two, asked(candidates=["a", "b", "c", "d", "the whale"]), two)
    pad = PadCandidates((16, 32, 64), tokenizer.pad_id, front_global=True)
    batch = pad([found[0], found[2]])
    assert batch["choice_mask"].tolist() == [[True, True, False, False, False]] * 2
    assert batch["choice_places"].shape == (2, 5)
    assert (batch["input_ids"][0, batch["choice_places"][0, :2]] == tokenizer.sep_id).all()
    front = found[0]["front"]
    assert batch["global_attention_mask"].sum(1).tolist() == [front, front]
    assert (batch["global_attention_mask"][:, :front] == 1).all()
    assert batch["labels"].tolist() == [1, 1]
    assert "global_attention_mask" not in PadCandidates((64,), 0)([found[0]])
    assert batch["input_ids"].shape[1] == next(n for n in (16, 32, 64) if n >= len(found[0]["input_ids"]))
    assert np.array_equal(batch["attention_mask"].sum(1), [len(found[0]["input_ids"])] * 2)


@pytest.mark.parametrize(
    ("changes", "how", "message"),
    [
        ({"answer": "a cat"}, {}, "wikihop.jsonl:2: the answer 'a cat' is no choice"),
        ({"answer": "A"}, {}, "the answer 'A' is no choice: write its place, a number of 0 to 2, or its text"),
        ({"candidates": ["x"]}, {}, "wikihop.jsonl:2: has 1 candidates"),
        ({"supports": [3]}, {}, "wikihop.jsonl:2: the field 'supports' is int, not text"),
        ({"query": ["a"]}, {}, "wikihop.jsonl:2: the field 'query' is list, not text"),
        ({"query": "where " * 90}, {}, "wikihop.jsonl:2: the question and its candidates fill a row of data.length=64"),
        ({}, {"most_front": 4}, "wikihop.jsonl:2: its query and candidates are .* model.max_global_tokens allows 4"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_file_and_line(changes, how, message, tokenizer):
    with pytest.raises(InputError, match=message):
        made(tokenizer, asked(), Record(asked(**changes).values, "wikihop.jsonl:2"), **how)
