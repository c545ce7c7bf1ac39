import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from data import tokenizer as tokenizer_module
from data.tokenizer import Tokenizer
from errors import InputError

ROOT = str(Path(__file__).parents[2])

KINDS = ("byte_bpe", "wordpiece", "unigram")
PROSE = [
    f"Chapter {i}. It was the {i}th day; the captain said: 'Sail on, sail on!' Ünïcode 漢字 naïve {i * 7}"
    for i in range(60)
]

TRAIN_IN_A_PROCESS = """
import hashlib, sys
from data.tokenizer import Tokenizer
texts = open(sys.argv[2], encoding="utf-8").read().split("\\n")
trained = Tokenizer.train(sys.argv[1], texts, vocab_size=420)
spellings = [trained.token(i) for i in range(trained.vocab_size)]
print(hashlib.sha256(repr(spellings).encode()).hexdigest(), trained.sha256)
"""


@pytest.fixture(scope="module")
def trained():
    return {kind: Tokenizer.train(kind, PROSE, vocab_size=420) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_in_two_processes_and_hash_seeds_gives_the_same_ids(kind, tmp_path):
    file = tmp_path / "prose"
    file.write_text("\n".join(PROSE), encoding="utf-8")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN_IN_A_PROCESS, kind, str(file)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ROOT},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert first == second
    assert len(first.split()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_roles_have_the_ids_of_roberta_or_bert(kind, trained):
    t = trained[kind]
    ids = [t.pad_id, t.unk_id, t.cls_id, t.sep_id, t.mask_id]
    assert ids == ([0, 1, 2, 3, 4] if kind == "wordpiece" else [1, 3, 0, 2, 4])
    assert t.special_ids.tolist() == [0, 1, 2, 3, 4]
    assert t.special_ids.dtype == np.int32


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
@settings(max_examples=60, deadline=None)
def test_byte_bpe_round_trips_every_text(text):
    t = Tokenizer.train("byte_bpe", ["a b"], vocab_size=261)
    assert t.decode(t.encode(text)) == text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spelling", ["<mask>", "[MASK]", "</s><pad>", "[CLS]x[SEP]", "▁<mask>▁"])
def test_a_special_token_spelled_out_in_a_document_is_ordinary_text(kind, spelling, trained):
    t = trained[kind]
    ids = set(t.encode(f"sail {spelling} on").tolist()) - {t.unk_id}
    assert not ids & set(t.special_ids.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_may_hold_the_mask_token_when_asked(kind, trained):
    t = trained[kind]
    prompt = f"sail {t.token(t.mask_id)} on"
    assert t.encode(prompt, specials=True).tolist().count(t.mask_id) == 1
    assert t.token(t.mask_id) in t.decode(t.encode(prompt, specials=True), specials=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_stands_where_a_word_would_without_a_space_of_its_own(kind, trained):
    t = trained[kind]
    mask = t.token(t.mask_id)
    before, after = t.encode("sail").tolist(), t.encode(" on").tolist()
    assert t.encode(f"sail {mask} on", specials=True).tolist() == [*before, t.mask_id, *after]


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_changes_nothing(kind, trained, tmp_path):
    t = trained[kind]
    file = t.save(tmp_path / "saved")
    for path in (tmp_path / "saved", file):
        again = Tokenizer.load(path)
        assert again.sha256 == t.sha256
        assert [x.tolist() for x in again.encode_batch(PROSE)] == [x.tolist() for x in t.encode_batch(PROSE)]
        assert (again.starts_word == t.starts_word).all()
    assert [p.name for p in file.parent.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_cut_into_parts_gets_the_same_ids(kind, monkeypatch):
    gaps = ["\n", "\n\n", " \n  ", "\t", "\r\n", "   ", ".\n\n\n", "\n    "]
    text = "".join(word + gaps[(i * i + i // 7) % len(gaps)] for i, word in enumerate(" ".join(PROSE).split(" ")))
    t = Tokenizer.train(kind, [text], vocab_size=500)  # on this text, so that runs of white space become tokens
    whole = t.encode(text).tolist()
    monkeypatch.setattr(tokenizer_module, "PART_CHARS", 200)
    assert len(tokenizer_module._parts([text])[0]) > 5
    assert t.encode(text).tolist() == whole
    ids, starts = t.encode_with_starts(["x", text, ""])[1]
    assert ids.tolist() == whole
    assert (np.diff(starts) >= 0).all()


def test_starts_point_at_the_characters_of_the_text(trained):
    text = "It was naïve; Ünïcode 漢字\nsail on"
    ids, starts = trained["byte_bpe"].encode_with_starts([text])[0]
    assert len(ids) == len(starts)
    rebuilt = [trained["byte_bpe"].decode(ids[starts == at]) for at in np.unique(starts)]
    assert "".join(rebuilt) == text
    assert [text.find(piece, at) for piece, at in zip(rebuilt, np.unique(starts), strict=True)] == np.unique(
        starts
    ).tolist()


def test_words_begin_at_spaces_line_breaks_and_punctuation(trained):
    t = trained["byte_bpe"]

    def begins(token):
        return bool(t.starts_word[t._tokens.index(token)])

    assert all(begins(x) for x in ("Ġ", "Ċ", "(", ";", "<mask>"))
    assert not any(begins(x) for x in ("a", "7", "é", "_"))
    piece = trained["wordpiece"]
    assert all(piece.starts_word[i] != piece.token(i).startswith("##") for i in range(piece.vocab_size))
    uni = trained["unigram"]
    assert uni.starts_word[uni._tokens.index("▁")]


def test_bert_vocabulary_files_are_read_with_their_line_numbers_as_ids(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sail", "##ing", "on", "!"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    t = Tokenizer.load(tmp_path)
    assert t.encode("Sailing on! ahoy").tolist() == [5, 6, 7, 8, 1]
    assert (t.vocab_size, t.pad_id, t.mask_id) == (9, 0, 4)


@pytest.mark.parametrize(("word", "ids"), [("\u211d", [5, 6]), ("Sail", [1, 6])])
def test_a_bert_vocabulary_with_a_capital_letter_is_cased(word, ids, tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sail", "on", word]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    assert Tokenizer.load(tmp_path / "vocab.txt").encode("SAIL on").tolist() == ids


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_vocabulary_files_give_the_ids_that_transformers_gives(trained, tmp_path):
    transformers = pytest.importorskip("transformers")
    texts = [*PROSE, "don't\t Stop \n\n  now", "HÉLLO 漢字x", "  "]
    for kind, peer in (("wordpiece", transformers.BertTokenizerFast), ("byte_bpe", transformers.GPT2TokenizerFast)):
        model = json.loads(trained[kind]._backend.to_str())["model"]
        if kind == "wordpiece":
            spellings = [trained[kind].token(i) for i in range(trained[kind].vocab_size)]
            (tmp_path / "vocab.txt").write_text("\n".join(spellings) + "\n", encoding="utf-8")
            theirs = peer(vocab=model["vocab"])
        else:
            (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
            merges = [tuple(pair) for pair in model["merges"]]
            (tmp_path / "merges.txt").write_text("\n".join(" ".join(m) for m in merges), encoding="utf-8")
            theirs = peer(vocab=model["vocab"], merges=merges, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
        ours = Tokenizer.load(tmp_path / ("vocab.txt" if kind == "wordpiece" else "vocab.json"))
        assert [x.tolist() for x in ours.encode_batch(texts)] == theirs(texts, add_special_tokens=False)["input_ids"]


def test_gpt2_files_are_read_and_lack_a_mask(tmp_path):
    source = Tokenizer.train("byte_bpe", PROSE, vocab_size=300)
    model = json.loads(source._backend.to_str())["model"]
    vocab = {token: i - 5 for token, i in model["vocab"].items() if i >= 5} | {"<|endoftext|>": len(model["vocab"]) - 5}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    merges = [" ".join(pair) for pair in model["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    t = Tokenizer.load(tmp_path / "merges.txt")
    assert t.encode(PROSE[3]).tolist() == (source.encode(PROSE[3]) - 5).tolist()
    assert t.sep_id == t.cls_id == t.pad_id == len(vocab) - 1
    with pytest.raises(InputError, match="no mask token"):
        _ = t.mask_id


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, "holds no tokenizer.json"),
        ({"tokenizer.json": "{}"}, "not a readable tokenizer.json"),
        ({"tokenizer.json": ""}, "not a readable tokenizer.json"),
        ({"vocab.json": "{}"}, r"merges.txt: missing"),
        ({"vocab.json": "{", "merges.txt": ""}, r"vocab.json:1: is not JSON"),
        ({"vocab.json": "[]", "merges.txt": ""}, "map each token to its id"),
        ({"vocab.json": '{"a": 0, "b": 1}', "merges.txt": "a b c"}, r"merges.txt:1: a merge is two tokens"),
        ({"vocab.json": '{"a": 0, "b": 1}', "merges.txt": "#version\na b"}, r"merges.txt:2: .* the vocabulary lacks"),
        ({"vocab.txt": "a\n[UNK]\na\n"}, r"vocab.txt:3: .* twice, first in line 1"),
        ({"vocab.txt": "a\nb\n"}, r"no \[UNK\]"),
        ({"vocab.txt": b"\xff\xfea"}, "not UTF-8"),
    ],
)
def test_unreadable_tokenizer_files_are_refused(files, match, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=match):
        Tokenizer.load(tmp_path)


def test_other_refusals(tmp_path):
    with pytest.raises(InputError, match="no such tokenizer"):
        Tokenizer.load(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.tokenizer.json: cannot be written"):
        Tokenizer.train("byte_bpe", PROSE, vocab_size=270).save(tmp_path / "file")
    with pytest.raises(InputError, match="kind 'bpe' is unknown"):
        Tokenizer.train("bpe", PROSE, vocab_size=300)
    with pytest.raises(InputError, match="no text"):
        Tokenizer.train("byte_bpe", [" ", ""], vocab_size=300)
    for kind in KINDS:
        with pytest.raises(InputError, match="a vocabulary of 20 tokens cannot hold"):
            Tokenizer.train(kind, PROSE, vocab_size=20)


def test_truncation_and_padding_stored_in_a_file_are_ignored(trained, tmp_path):
    backend = tokenizers.Tokenizer.from_str(trained["byte_bpe"]._backend.to_str())
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    backend.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.load(tmp_path).encode(PROSE[0]).tolist() == trained["byte_bpe"].encode(PROSE[0]).tolist()
