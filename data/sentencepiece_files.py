"""SentencePiece models (spiece.model, tokenizer.model, sentencepiece.bpe.model) as a `tokenizers.Tokenizer`.

The file says most of it: pieces and their scores, the table of characters, what becomes of spaces. What it does not say
are the changes that a family made afterwards: T5's sentinels, ALBERT's lower-casing, XLM-RoBERTa's numbering.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tokenizers
from google.protobuf.message import DecodeError
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from data.byte_pairs import merges_of
from errors import InputError

FILES = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
T5_START = ["<pad>", "</s>", "<unk>"]
XLM_ROBERTA_START = ["<unk>", "<s>", "</s>"]
# T5's own form of its file spells the sentinels with the mark of a space; both become "<extra_id_k>".
SENTINEL = re.compile(r"▁?(<extra_id_\d+>)")
MOST_SENTINELS = 10_000
MARKERS = ("<mask>", "[MASK]", "[CLS]", "[SEP]", "<pad>", "[PAD]")
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Pieces:
    """A vocabulary in the order of its ids, and what is done to a text before it is cut up."""

    scores: dict[str, float]
    unknown: str
    specials: tuple[str, ...]  # never read from a document
    symbols: tuple[str, ...]  # kept whole wherever a text has them
    byte_pieces: tuple[str, ...]  # <0x00> to <0xFF>, for characters without a piece; or none
    rules: tuple[normalizers.Normalizer, ...] = ()  # before the model's own table of characters


def load(path: Path, *, family: str = "", settings: Mapping[str, Any] = NONE) -> tokenizers.Tokenizer:
    """The tokenizer of a SentencePiece model of type unigram or BPE.

    `family` is the model_type of transformers' config.json, `settings` its tokenizer_config.json. Without a family the
    file alone decides; one that starts as T5's does gets T5's sentinels.

    Raises:
      InputError: a damaged file, a family whose changes are not known here, or a kind of model that is not read.
    """
    if family not in FAMILIES:
        raise InputError(
            f"{path}: how {family} numbers and normalizes its pieces is not known here; save its tokenizer.json "
            "with transformers' save_pretrained beside it"
        )
    model = _read(path)
    pieces = FAMILIES[family](path, _pieces(path, model), settings)
    try:
        return _assembled(pieces, model)
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path}: is damaged or not a SentencePiece model ({error})") from error


def _read(path: Path) -> ModelProto:
    try:
        model = ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except DecodeError as error:
        raise InputError(f"{path}: is damaged or not a SentencePiece model ({error})") from error
    if not (model.pieces and model.HasField("trainer_spec") and model.HasField("normalizer_spec")):
        raise InputError(f"{path}: is cut short or not a SentencePiece model; fetch it again")
    trainer, spaces = model.trainer_spec, model.normalizer_spec
    refused = {
        "word or character pieces": trainer.model_type not in (TrainerSpec.UNIGRAM, TrainerSpec.BPE),
        "spaces at the end of words": trainer.treat_whitespace_as_suffix,
        "pieces of several words": not trainer.split_by_whitespace and spaces.remove_extra_whitespaces,
        "spaces left as they are": not spaces.escape_whitespaces,
        "no space before a text": not spaces.add_dummy_prefix and spaces.remove_extra_whitespaces,
    }
    if any(refused.values()):
        raise InputError(
            f"{path}: a SentencePiece model with {' and '.join(k for k, v in refused.items() if v)}"
            " is not read here; save its tokenizer.json with transformers"
        )
    if spaces.precompiled_charsmap and not _is_sound(spaces.precompiled_charsmap):
        raise InputError(f"{path}: is damaged: its table of characters points outside itself")
    return model


def _is_sound(table: bytes) -> bool:
    """Whether a table of characters may be read; on another one `tokenizers` would panic at some later text.

    The table is the size of a trie in bytes, the trie in units of 32 bits (darts-clone's), and one after another the
    texts that characters become. The children of a unit lie in one block of 256, its value at the unit's own offset.
    """
    size = int.from_bytes(table[:4], "little")
    if size % 1024 or not 0 < size < len(table) - 4:
        return False
    units, texts = np.frombuffer(table[4 : 4 + size], "<u4"), np.frombuffer(table[4 + size :], np.uint8)
    at = np.flatnonzero(units >> 31 == 0)  # the others are values
    base = at ^ ((units[at] >> 10) << ((units[at] & 512) >> 6))
    if (base >= len(units)).any():
        return False
    starts = units[base[units[at] & 256 > 0]] & 0x7FFFFFFF
    return bool((starts < len(texts)).all() and (texts[starts] & 0xC0 != 0x80).all())  # at the start of a character


def _pieces(path: Path, model: ModelProto) -> Pieces:
    kind = ModelProto.SentencePiece
    names = [SENTINEL.sub(r"\1", p.piece) if p.type == kind.USER_DEFINED else p.piece for p in model.pieces]
    typed: dict[int, list[str]] = {value: [] for value in kind.Type.values()}
    for name, piece in zip(names, model.pieces, strict=True):
        marker = piece.type == kind.USER_DEFINED and (name in MARKERS or SENTINEL.fullmatch(name))
        typed[kind.CONTROL if marker else piece.type].append(name)
    sound = all(names) and len(set(names)) == len(names) and all(math.isfinite(p.score) for p in model.pieces)
    if not sound or len(typed[kind.UNKNOWN]) != 1:
        raise InputError(f"{path}: is damaged: a piece is empty, there twice or without a score, or <unk> is missing")
    [unknown] = typed[kind.UNKNOWN]
    return Pieces(
        scores={name: piece.score for name, piece in zip(names, model.pieces, strict=True)},
        unknown=unknown,
        specials=(unknown, *typed[kind.CONTROL]),
        symbols=tuple(typed[kind.USER_DEFINED]),
        byte_pieces=tuple(typed[kind.BYTE]) if model.trainer_spec.byte_fallback else (),
    )


def _assembled(pieces: Pieces, model: ModelProto) -> tokenizers.Tokenizer:
    bpe = model.trainer_spec.model_type == TrainerSpec.BPE
    tokenizer = tokenizers.Tokenizer(_bpe(pieces) if bpe else _unigram(pieces))
    table = model.normalizer_spec.precompiled_charsmap
    tokenizer.normalizer = normalizers.Sequence([*pieces.rules, *([normalizers.Precompiled(table)] if table else [])])
    cuts = [_spaces(model)] if bpe else [_spaces(model), _spelt_out(pieces)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    scheme = "always" if model.normalizer_spec.add_dummy_prefix else "never"
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    if pieces.byte_pieces:
        first = [decoders.Strip(" ", 1, 0)] if scheme == "always" else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *first]
        )
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in pieces.specials])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in pieces.symbols])
    return tokenizer


def _unigram(pieces: Pieces) -> models.Unigram:
    vocab = list(pieces.scores.items())
    unk_id = list(pieces.scores).index(pieces.unknown)
    return models.Unigram(vocab, unk_id=unk_id, byte_fallback=bool(pieces.byte_pieces))


def _bpe(pieces: Pieces) -> models.BPE:
    ids = {name: i for i, name in enumerate(pieces.scores)}
    by_score = sorted(pieces.scores, key=lambda name: -pieces.scores[name])
    merges = merges_of(
        {name: rank for rank, name in enumerate(by_score)},
        skip=frozenset((*pieces.specials, *pieces.symbols, *pieces.byte_pieces)),
    )
    return models.BPE(ids, merges, unk_token=pieces.unknown, fuse_unk=True, byte_fallback=bool(pieces.byte_pieces))


def _spaces(model: ModelProto) -> pre_tokenizers.PreTokenizer:
    spaces = model.normalizer_spec
    if spaces.remove_extra_whitespaces:
        return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    scheme = "first" if spaces.add_dummy_prefix else "never"
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)


def _spelt_out(pieces: Pieces) -> pre_tokenizers.PreTokenizer:
    """Cuts "</s>" in a document after its first character: Unigram would read the token, SentencePiece does not.

    Where both of these are unknown, two unknown tokens come of it, and one of SentencePiece's own reading.
    """
    rest: dict[str, list[str]] = {}
    for name in (*pieces.specials, *pieces.byte_pieces):
        rest.setdefault(name[0], []).append(re.escape(name[1:]))
    pattern = "|".join(f"{re.escape(first)}(?=(?:{'|'.join(ends)}))" for first, ends in rest.items())
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def _as_stored(path: Path, pieces: Pieces, settings: Mapping[str, Any]) -> Pieces:
    return _t5(path, pieces, settings) if list(pieces.scores)[:3] == T5_START else pieces


def _t5(path: Path, pieces: Pieces, settings: Mapping[str, Any]) -> Pieces:
    """With 100 sentinels, the last one first; a file that has sentinels keeps its own."""
    if any(SENTINEL.fullmatch(name) for name in pieces.specials):
        return pieces
    count = settings.get("extra_ids", 100)
    if not isinstance(count, int) or not 0 <= count <= MOST_SENTINELS:
        raise InputError(
            f"{path.parent}: tokenizer_config.json has extra_ids={count!r}, which is no number of sentinels"
        )
    sentinels = [f"<extra_id_{k}>" for k in reversed(range(count))]
    scores = pieces.scores | dict.fromkeys(sentinels, 0.0)
    return replace(pieces, scores=scores, specials=(*pieces.specials, *sentinels))


def _albert(path: Path, pieces: Pieces, settings: Mapping[str, Any]) -> Pieces:
    rules = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not settings.get("keep_accents", False):
        rules += [normalizers.NFKD(), normalizers.StripAccents()]
    if settings.get("do_lower_case", True):
        rules.append(normalizers.Lowercase())
    return replace(pieces, rules=tuple(rules))


def _xlm_roberta(path: Path, pieces: Pieces, settings: Mapping[str, Any]) -> Pieces:
    """RoBERTa's numbering: four special tokens of its own, the pieces after SentencePiece's three, and the mask."""
    if list(pieces.scores)[:3] != XLM_ROBERTA_START:
        raise InputError(f"{path}: does not start with {', '.join(XLM_ROBERTA_START)}, so it is not XLM-RoBERTa's")
    rest = {name: score for name, score in pieces.scores.items() if name not in XLM_ROBERTA_START}
    first = dict.fromkeys(("<s>", "<pad>", "</s>", "<unk>"), 0.0)
    return replace(pieces, scores=first | rest | {"<mask>": 0.0}, specials=(*first, "<mask>"))


FAMILIES = {
    "": _as_stored,
    "llama": _as_stored,
    "t5": _t5,
    "mt5": _t5,
    "umt5": _t5,
    "longt5": _t5,
    "albert": _albert,
    "xlm-roberta": _xlm_roberta,
}
