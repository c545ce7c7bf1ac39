"""Tokenizer files in and out: tokenizer.json, BERT's vocab.txt, GPT-2's and RoBERTa's vocab.json with merges.txt."""

import json
import os
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, models

from data.tokenizer_training import byte_level, wordpiece
from errors import InputError

# Vocabulary and merges: today's names, and those of GPT-2's first release.
BPE_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
BPE_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>")
WORDPIECE_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def load(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer at `path`, a directory or one of its files; refuses in one sentence what it cannot read."""
    if path.is_dir():
        return _load_directory(path)
    if not path.exists():
        raise InputError(
            f"{path}: no such tokenizer; give a directory, tokenizer.json, vocab.txt, or vocab.json beside merges.txt"
        )
    for vocab, merges in BPE_PAIRS:
        if path.name in (vocab, merges):
            return _load_bpe(path.with_name(vocab), path.with_name(merges))
    return _load_wordpiece(path) if path.suffix == ".txt" else _load_json(path)


def save(tokenizer: tokenizers.Tokenizer, directory: Path) -> Path:
    """Write `tokenizer.json` so that a reader sees the old file or the new one, never half of one."""
    final = directory / "tokenizer.json"
    draft = directory / f".tokenizer.json.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        draft.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
        draft.replace(final)
    except OSError as error:
        if draft.is_file():
            draft.unlink()
        raise InputError(f"{final}: cannot be written ({error.strerror}); free space or choose another") from error
    return final


def _load_directory(path: Path) -> tokenizers.Tokenizer:
    if (path / "tokenizer.json").exists():
        return _load_json(path / "tokenizer.json")
    for vocab, merges in BPE_PAIRS:
        if (path / vocab).exists():
            return _load_bpe(path / vocab, path / merges)
    if (path / "vocab.txt").exists():
        return _load_wordpiece(path / "vocab.txt")
    raise InputError(f"{path}: holds no tokenizer.json, no vocab.json with merges.txt and no vocab.txt")


def _load_json(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(_text(path))
    except InputError:
        raise
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path}: is not a readable tokenizer.json ({error})") from error


def _load_bpe(vocab: Path, merges: Path) -> tokenizers.Tokenizer:
    for path in (vocab, merges):
        if not path.exists():
            raise InputError(f"{path}: missing; byte-level BPE needs both {vocab.name} and {merges.name}")
    try:
        ids = json.loads(_text(vocab))
    except json.JSONDecodeError as error:
        raise InputError(f"{vocab}:{error.lineno}: is not JSON ({error.msg})") from error
    if not isinstance(ids, dict) or not all(isinstance(i, int) for i in ids.values()):
        raise InputError(f"{vocab}: should map each token to its id")
    pairs = _merges(merges, ids)
    tokenizer = byte_level(models.BPE(ids, pairs))
    # RoBERTa's mask swallows the space before it, so that "a <mask>" reads as one word would.
    specials = [AddedToken(name, lstrip=name == "<mask>", normalized=False) for name in BPE_SPECIALS if name in ids]
    tokenizer.add_special_tokens(specials)
    return tokenizer


def _merges(path: Path, ids: dict[str, int]) -> list[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise InputError(f"{path}:{number}: a merge is two tokens separated by one space, not {line!r}")
        if any(token not in ids for token in (*pair, "".join(pair))):
            raise InputError(f"{path}:{number}: the merge {line!r} uses a token that the vocabulary lacks")
        pairs.append((pair[0], pair[1]))
    return pairs


def _load_wordpiece(path: Path) -> tokenizers.Tokenizer:
    """BERT's vocab.txt does not say whether it is cased: it is taken as uncased if no token holds one of A to Z."""
    lines = _text(path).split("\n")
    tokens = [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
    ids: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        if token in ids:
            raise InputError(f"{path}:{number}: the token {token!r} is there twice, first in line {ids[token] + 1}")
        ids[token] = number - 1
    if "[UNK]" not in ids:
        raise InputError(f"{path}: has no [UNK] token, so it is no WordPiece vocabulary")
    lowercase = not any("A" <= c <= "Z" for token in ids if token[:1] != "[" for c in token)
    tokenizer = wordpiece(models.WordPiece(ids, unk_token="[UNK]"), lowercase=lowercase)
    tokenizer.add_special_tokens([name for name in WORDPIECE_SPECIALS if name in ids])
    return tokenizer


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})") from error
