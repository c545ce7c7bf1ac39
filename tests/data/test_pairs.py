"""Pairs of texts become ids by each family's convention, and nothing is lost without being told."""

import gzip

import numpy as np
import pytest

from data.pairs import Form, PadPairs, pair_examples
from data.parallel import is_parallel, read_parallel
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train("byte_bpe", ["ein Hund", "a dog barks"] * 4, vocab_size=270)


def records(*rows: tuple[str, str, str]) -> list[Record]:
    named = ({"question": q, "text": t, "target": w} for q, t, w in rows)
    return [Record(values, f"f.jsonl:{number}") for number, values in enumerate(named, 1)]


FORM = Form(12, 8)


@pytest.mark.parametrize(
    ("start", "read", "written", "first"),
    [("cls", "cls x sep", "x sep", "cls"), ("sep", "cls x sep", "cls x sep", "sep"), ("pad", "x sep", "x sep", "pad")],
)
def test_each_convention_has_its_special_tokens(tokenizer, start, read, written, first):
    form = Form(12, 8, start=start)
    pairs = pair_examples(records(("", "a", "ein")), tokenizer, form, text="text", target="target")

    def ids(told, text):
        spelt = {"cls": [tokenizer.cls_id], "sep": [tokenizer.sep_id], "x": tokenizer.encode(text).tolist()}
        return [i for word in told.split() for i in spelt[word]]

    assert pairs.sources[0].tolist() == ids(read, "a")
    assert pairs.targets[0].tolist() == ids(written, "ein")
    assert form.start_id(tokenizer) == getattr(tokenizer, f"{first}_id")


def test_a_question_stands_before_the_text_and_is_never_cut(tokenizer):
    rows = records(("a dog", "ein Hund " * 9, "a"))
    pairs = pair_examples(rows, tokenizer, Form(16, 8), text="text", question="question", target="target")
    asked = [tokenizer.cls_id, *tokenizer.encode("a dog").tolist(), tokenizer.sep_id]
    assert pairs.sources[0][: len(asked)].tolist() == asked
    assert pairs.questions == (len(asked),)
    assert len(pairs.sources[0]) == 16
    assert pairs.cut == (1, 0)
    assert "1 read cut" in str(pairs)
    with pytest.raises(InputError, match=r"f.jsonl:1: its question alone fills a row of data.length=6 tokens"):
        pair_examples(rows, tokenizer, Form(6, 8), text="text", question="question", target="target")


def test_empty_sides_are_counted_in_training_and_kept_elsewhere(tokenizer):
    rows = records(("", "a", "b"), ("", " ", "b"), ("", "a", ""))
    kept = pair_examples(rows, tokenizer, FORM, text="text", target="target", keep_empty=False)
    assert (len(kept), kept.left_out) == (1, 2)
    assert "2 left out whose one side is empty" in str(kept)
    assert len(pair_examples(rows, tokenizer, FORM, text="text", target="target")) == 3
    with pytest.raises(InputError, match=r"f.jsonl:2 and all that follow: one side of each pair is empty"):
        pair_examples(rows[1:], tokenizer, FORM, text="text", target="target", keep_empty=False)


def test_wrong_fields_are_named_with_their_line(tokenizer):
    with pytest.raises(
        InputError, match=r"f.jsonl:1: has no field 'words'; its fields are 'question', 'text', 'target'"
    ):
        pair_examples(records(("", "a", "b")), tokenizer, FORM, text="words")
    with pytest.raises(InputError, match=r"f.jsonl:7: the field 'text' is int, not text"):
        pair_examples([Record({"text": 3}, "f.jsonl:7")], tokenizer, FORM, text="text")


def test_both_sides_are_padded_to_their_share_of_one_length(tokenizer):
    rows = records(("", "a dog barks", "ein"), ("", "a", "ein Hund ein Hund"))
    pairs = pair_examples(rows, tokenizer, Form(32, 16), text="text", target="target")
    pad = PadPairs((8, 16, 32), 16, pad_id=tokenizer.pad_id, start_id=tokenizer.cls_id, question_global=True)
    batch = pad([pairs[0], pairs[1]], int(pairs.lengths.max()))
    length = batch["input_ids"].shape[1]
    assert length in (8, 16, 32)
    assert batch["labels"].shape[1] == length // 2
    for row, target in enumerate(pairs.targets):
        assert batch["labels"][row, : len(target)].tolist() == target.tolist()
        assert batch["decoder_input_ids"][row, 0] == tokenizer.cls_id
        assert batch["decoder_input_ids"][row, 1 : len(target)].tolist() == target[:-1].tolist()
        assert batch["label_weights"][row].sum() == len(target)
        assert batch["attention_mask"][row].sum() == len(pairs.sources[row])
    assert batch["global_attention_mask"].tolist() == [[1] + [0] * (length - 1)] * 2


def test_parallel_files_go_line_by_line(tmp_path):
    (tmp_path / "a.en").write_text("one\u2028still one\n\nthree\n", encoding="utf-8")
    (tmp_path / "a.de").write_bytes(gzip.compress(b"eins\n\ndrei"))
    (tmp_path / "a.de.gz").write_bytes((tmp_path / "a.de").read_bytes())
    assert is_parallel("a.{en,de.gz}")
    assert not is_parallel("a{1}.txt")
    found = read_parallel(f"{tmp_path}/a.{{en,de.gz}}", fields=("en",))
    assert [record.values for record in found] == [
        {"en": "one\u2028still one", "de.gz": "eins"},
        {"en": "", "de.gz": ""},
        {"en": "three", "de.gz": "drei"},
    ]
    assert found[2].origin == f"{tmp_path}/a.en:3"


def test_files_of_unequal_lines_and_unknown_sides_are_refused(tmp_path):
    (tmp_path / "t.en").write_text("a\nb\nc\n")
    (tmp_path / "t.de").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"t.de:3: the files of .* differ in lines \(.*t.en has 3, .*t.de has 2\)"):
        read_parallel(f"{tmp_path}/t.{{en,de}}")
    with pytest.raises(InputError, match="has no field 'fr'; its fields are 'en', 'de'"):
        read_parallel(f"{tmp_path}/t.{{en,de}}", fields=("fr",))
    with pytest.raises(InputError, match=r"t.fr: cannot be read"):
        read_parallel(f"{tmp_path}/t.{{en,fr}}")


def test_half_a_batch_agrees_with_the_whole_on_its_length(tokenizer):
    rows = records(("", "a", "ein"), ("", "a dog barks a dog barks", "ein"))
    pairs = pair_examples(rows, tokenizer, Form(32, 16), text="text", target="target")
    pad = PadPairs((8, 16, 32), 16, pad_id=tokenizer.pad_id, start_id=tokenizer.cls_id)
    both, first = pad([pairs[0], pairs[1]], None), pad([pairs[0]], int(np.max(pairs.lengths)))
    assert (both["input_ids"][:1] == first["input_ids"]).all()
