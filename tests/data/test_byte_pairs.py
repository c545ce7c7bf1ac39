"""Byte-pair vocabularies from files, against transformers' tokenizers and against OpenAI's tiktoken."""

import base64
import gzip
import itertools
import json
import random

import pytest
from tokenizers import pre_tokenizers

from data import byte_pairs
from data.tokenizer import Tokenizer
from errors import InputError
from tests.data.awkward import AWKWARD, PROSE, WITH_SPECIALS, assert_same_as_transformers

TITLE = '"bpe_simple_vocab_16e6.txt#version: 0.2\n'


@pytest.fixture(scope="module")
def model():
    """Vocabulary and merges of a small byte-level BPE, special tokens of RoBERTa first."""
    trained = Tokenizer.train("byte_bpe", [*PROSE, *AWKWARD], vocab_size=420)
    return json.loads(trained._backend.to_str())["model"]


@pytest.fixture(scope="module")
def ranks(model):
    """The same as OpenAI has it: bytes and ranks, single bytes first."""
    letters = {letter: byte for byte, letter in enumerate(byte_pairs._LETTERS)}
    tokens = [token for token in model["vocab"] if token[0] != "<" or len(token) == 1]
    return {bytes(letters[c] for c in token): rank for rank, token in enumerate(tokens)}


@pytest.fixture(scope="module")
def clip_merges():
    """Merges such as CLIP's, learnt by hand from the words of the prose: a word's last letter carries "</w>"."""
    words = [[*word[:-1], word[-1] + "</w>"] for word in " ".join(PROSE).lower().split() if word.isascii()]
    merges = []
    for _ in range(60):
        pairs = [pair for word in words for pair in itertools.pairwise(word)]
        best = max(sorted(set(pairs)), key=pairs.count)
        merges.append(best)
        words = [_merged(word, best) for word in words]
    return merges


def _merged(word, pair):
    out = []
    for token in word:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return out


def _lines(ranks):
    return [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]


def write_ranks(path, ranks, *, last=""):
    path.write_bytes(gzip.compress(("\n".join(_lines(ranks)) + "\n" + last).encode()))
    return path


def write_clip(path, merges):
    path.write_bytes(gzip.compress((TITLE + "\n".join(" ".join(m) for m in merges) + "\n").encode()))
    return path


def clip_vocabulary(merges):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(x + "</w>" for x in letters), *("".join(m) for m in merges)]
    return {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def write_pair(directory, vocab, merges):
    (directory / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges), encoding="utf-8")
    return directory


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["roberta", "gpt2"])
def test_a_vocabulary_with_merges_gives_the_ids_and_offsets_that_transformers_gives(family, model, tmp_path):
    transformers = pytest.importorskip("transformers")
    if family == "roberta":
        vocab, make = model["vocab"], transformers.RobertaTokenizer
    else:
        vocab = {token: i - 5 for token, i in model["vocab"].items() if i >= 5}
        vocab, make = vocab | {"<|endoftext|>": len(vocab)}, transformers.GPT2Tokenizer
    theirs = make(vocab=vocab, merges=[tuple(m) for m in model["merges"]])
    assert_same_as_transformers(write_pair(tmp_path, vocab, model["merges"]), theirs, AWKWARD)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["list of merges", "vocabulary and merges"])
def test_clip_gives_the_ids_and_offsets_that_transformers_gives(form, clip_merges, tmp_path):
    transformers = pytest.importorskip("transformers")
    vocab = clip_vocabulary(clip_merges)
    theirs = transformers.CLIPTokenizer(vocab=vocab, merges=clip_merges)
    if form == "list of merges":
        path = write_clip(tmp_path / "bpe_simple_vocab_16e6.txt.gz", clip_merges)
    else:
        path = write_pair(tmp_path, vocab, clip_merges)
    assert_same_as_transformers(path, theirs, [text for text in AWKWARD if "ẛ" not in text])
    ours = Tokenizer.load(path)
    for text in WITH_SPECIALS:
        assert ours.encode(text, specials=True).tolist() == theirs(text, add_special_tokens=False)["input_ids"], text
        ids = ours.encode(text)
        assert not {ours.cls_id, ours.sep_id} & set(ids.tolist())
        assert ours.decode(ids) == theirs.decode(ids.tolist())
    assert (ours.cls_id, ours.sep_id) == (len(vocab) - 2, len(vocab) - 1)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_ranks_give_the_ids_and_offsets_of_transformers_and_the_ids_of_tiktoken(ranks, tmp_path):
    transformers = pytest.importorskip("transformers")
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken_ext.openai_public import r50k_pat_str
    from transformers.convert_slow_tokenizer import TikTokenConverter

    path = write_ranks(tmp_path / "gpt2.tiktoken.gz", ranks)
    converter = TikTokenConverter()
    converter.load_tiktoken_bpe = lambda _: ranks
    vocab, merges = converter.extract_vocab_merges_from_model(path)
    theirs = transformers.WhisperTokenizer(vocab=vocab, merges=merges)
    assert_same_as_transformers(path, theirs, AWKWARD)

    rng = random.Random(0)
    mixed = ["".join(rng.choice("aeio td,.' 1\n") for _ in range(60)) for _ in range(300)]
    special = {"<|endoftext|>": len(ranks)}
    openai = tiktoken.Encoding("small", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special)
    ours = Tokenizer.load(path)
    for text in [*AWKWARD, *mixed, *WITH_SPECIALS]:
        assert ours.encode(text).tolist() == openai.encode_ordinary(text), text
    assert ours.encode("a<|endoftext|>", specials=True).tolist()[-1] == ours.sep_id == len(ranks)


def test_ranks_that_end_in_an_empty_token_are_whispers_and_get_its_special_tokens(ranks, tmp_path):
    n = len(ranks)
    t = Tokenizer.load(write_ranks(tmp_path / "multilingual.tiktoken.gz", ranks, last=f"= {n}\n"))
    assert (
        t.encode(PROSE[0]).tolist()
        == Tokenizer.load(write_ranks(tmp_path / "x.tiktoken.gz", ranks)).encode(PROSE[0]).tolist()
    )
    # As distances from Whisper's own 50,257: <|endoftext|>, <|startoftranscript|>, <|en|>, <|su|>, tasks, times.
    names = {1: "<|endoftext|>", 2: "<|startoftranscript|>", 3: "<|en|>", 101: "<|su|>", 102: "<|translate|>"}
    names |= {106: "<|nospeech|>", 107: "<|notimestamps|>", 108: "<|0.00|>", 1608: "<|30.00|>"}
    assert {at: t.token(n + at) for at in names} == names
    assert t.vocab_size == n + 1609
    assert t.special_ids.tolist() == list(range(n + 1, n + 1609))


@pytest.mark.parity
def test_whispers_languages_are_those_of_transformers():
    whisper = pytest.importorskip("transformers.models.whisper.tokenization_whisper")
    assert [*byte_pairs.WHISPER_LANGUAGES.split(), "yue"] == list(whisper.LANGUAGES)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda lines: lines[:200], "of the 256 bytes have no token"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], r"tiktoken:\d+: should hold a new token of rank \d+"),
        (lambda lines: [*lines, f"{lines[9].split()[0]} {len(lines)}"], "should hold a new token"),
        (lambda lines: ["not base64 0", *lines], r"tiktoken:1: should be a token in base64"),
        (lambda lines: [lines[0], "%%%% 1", *lines], r"tiktoken:2: should be a token in base64"),
        (lambda lines: [], r"tiktoken:1: should be a token"),
        (
            lambda lines: [*lines, *_lines({b"a." * n: len(lines) + n - 2 for n in range(2, 22)})],
            "otherwise than GPT-2's",
        ),
    ],
)
def test_ranks_that_are_damaged_or_not_for_gpt2s_words_are_refused(change, match, ranks, tmp_path):
    (tmp_path / "some.tiktoken").write_text("\n".join(change(_lines(ranks))))
    with pytest.raises(InputError, match=match):
        Tokenizer.load(tmp_path / "some.tiktoken")


def test_lists_of_merges_that_are_damaged_are_refused(clip_merges, tmp_path):
    path = write_clip(tmp_path / "bpe_simple_vocab_16e6.txt.gz", clip_merges)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="gzip data is cut short"):
        Tokenizer.load(path)
    with pytest.raises(InputError, match=r"gz:2: a merge is two tokens"):
        Tokenizer.load(write_clip(path, [("a", "b", "c"), *clip_merges]))
    with pytest.raises(InputError, match=r"gz:2: the merge 'qq w' uses a token that the vocabulary lacks"):
        Tokenizer.load(write_clip(path, [("qq", "w"), *clip_merges]))
    with pytest.raises(InputError, match="two of its merges make the same token"):
        Tokenizer.load(write_clip(path, [*clip_merges, clip_merges[0]]))


def test_a_vocabulary_of_word_ends_that_is_not_clips_is_refused(clip_merges, tmp_path):
    vocab = {token: i for token, i in clip_vocabulary(clip_merges).items() if token != "<|startoftext|>"}
    with pytest.raises(InputError, match="its words end in </w>, but it is not CLIP's"):
        Tokenizer.load(write_pair(tmp_path, vocab, clip_merges))


def test_a_list_of_merges_that_is_cut_short_is_refused(model, tmp_path):
    vocab, merges = model["vocab"], model["merges"]
    assert Tokenizer.load(write_pair(tmp_path, vocab, merges)).vocab_size == len(vocab)
    with pytest.raises(InputError, match=r"merges.txt: makes .* come of no merge: it is cut short"):
        Tokenizer.load(write_pair(tmp_path, vocab, merges[: len(merges) // 2]))


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ({}, "holds no token"),
        ({"a": 0, "b": 0}, "gives one id to two tokens"),
        ({"a": -1}, "should map each token to its id"),
        ({"a": 1 << 40}, "should map each token to its id"),
        ({"a": True}, "should map each token to its id"),
    ],
)
def test_a_vocabulary_without_an_id_for_each_token_is_refused(vocab, message, tmp_path):
    with pytest.raises(InputError, match=rf"vocab.json: {message}"):
        Tokenizer.load(write_pair(tmp_path, vocab, []))
