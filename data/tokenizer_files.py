"""Tokenizer files in and out: which of their forms a file or a directory has; tokenizer.json and BERT's vocab.txt."""

import json
import math
import re
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models

from data import byte_pairs, sentencepiece_files
from data.records import read_text
from data.tokenizer_training import wordpiece
from errors import InputError
from whole_files import write_text

# A line of tokenizer.json that holds nothing but a number: the score of a piece.
_SCORE = re.compile(r"^( +)(-?\d+\.\d+(?:e-?\d+)?)$", re.MULTILINE)
WORDPIECE_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def load(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer at `path`, a directory or one of its files; refuses in one sentence what it cannot read."""
    if path.is_dir():
        return _load_directory(path)
    if not path.exists():
        raise InputError(
            f"{path}: no such tokenizer; give a directory, tokenizer.json, vocab.txt, vocab.json beside merges.txt, "
            "or a .model or .tiktoken file"
        )
    for vocab, merges in byte_pairs.PAIRS:
        if path.name in (vocab, merges):
            return byte_pairs.load_pair(path.with_name(vocab), path.with_name(merges))
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".model":
        return sentencepiece_files.load(path)
    if suffix == ".tiktoken":
        return byte_pairs.load_ranks(path)
    return _load_txt(path) if suffix == ".txt" else _load_json(path)


def save(tokenizer: tokenizers.Tokenizer, directory: Path) -> Path:
    """Write `tokenizer.json` so that a reader sees the old file or the new one, never half of one."""
    final = directory / "tokenizer.json"
    try:
        write_text(final, written(tokenizer))
    except OSError as error:
        raise InputError(f"{final}: cannot be written ({error.strerror}); free space or choose another") from error
    return final


def written(tokenizer: tokenizers.Tokenizer) -> str:
    """The text of tokenizer.json, from which `from_str` makes the same tokenizer again, to the last bit of each score.

    `to_str` alone does not do: the library reads a number of 17 digits with an error in the last bit, and with T5's
    scores, whose sums are exact and often tie, five lines in 410,000 are then cut into other pieces.
    """
    return _SCORE.sub(lambda score: score[1] + _exact(float(score[2])), tokenizer.to_str(pretty=True))


def _exact(score: float) -> str:
    """`score` as a quotient of two floats, which a reader that divides and one that rounds correctly read alike."""
    for places in range(23):  # 10 ** 22 is the last power of ten that is a float
        near = score * 10.0**places
        for whole in (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf)):
            if abs(whole) < 2**63 and whole.is_integer() and whole / 10.0**places == score:
                return f"{int(whole)}.0" if places == 0 else f"{int(whole)}e-{places}"
    return repr(score)


def _load_directory(path: Path) -> tokenizers.Tokenizer:
    if (path / "tokenizer.json").exists():
        return _load_json(path / "tokenizer.json")
    for vocab, merges in byte_pairs.PAIRS:
        if (path / vocab).exists():
            return byte_pairs.load_pair(path / vocab, path / merges)
    if (path / "vocab.txt").exists():
        return _load_txt(path / "vocab.txt")
    for name in sentencepiece_files.FILES:
        if (path / name).exists():
            family = str(_settings(path / "config.json").get("model_type", ""))
            settings = _settings(path / "tokenizer_config.json")
            return sentencepiece_files.load(path / name, family=family, settings=settings)
    raise InputError(
        f"{path}: holds no tokenizer.json, no vocab.json with merges.txt, no vocab.txt and no "
        f"{' or '.join(sentencepiece_files.FILES)}"
    )


def _settings(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; empty if there is no such file."""
    try:
        found = json.loads(read_text(path)) if path.exists() else {}
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: should hold one JSON object")
    return found


def _load_json(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(read_text(path))
    except InputError:
        raise
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path}: is not a readable tokenizer.json ({error})") from error


def _load_txt(path: Path) -> tokenizers.Tokenizer:
    text = read_text(path)
    is_clip = "#version" in text.partition("\n")[0]
    return byte_pairs.load_clip(path, text) if is_clip else _load_wordpiece(path, text)


def _load_wordpiece(path: Path, text: str) -> tokenizers.Tokenizer:
    """BERT's vocab.txt does not say whether it is cased: it is taken as uncased if no token holds one of A to Z."""
    lines = text.split("\n")
    tokens = lines[:-1] if lines[-1] == "" else lines
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
