"""One small face over Hugging Face `tokenizers`: text to ids and back, and what a model asks of a vocabulary."""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import tokenizers
from jaxtyping import Bool, Int

from data import tokenizer_files, tokenizer_training
from errors import InputError

# The names each role goes by, in the order tried: RoBERTa, BERT, GPT-2 (whose one special token begins and ends a
# document, and pads: what is padding, masks tell, never ids).
ROLES = {
    "pad": ("<pad>", "[PAD]", "<|endoftext|>"),
    "cls": ("<s>", "[CLS]", "<|startoftext|>", "<|endoftext|>"),
    "sep": ("</s>", "[SEP]", "<|endoftext|>"),
    "mask": ("<mask>", "[MASK]"),
    "unk": ("<unk>", "[UNK]", "<|endoftext|>"),
}
# A longer text is encoded in parts of about this many characters, so that memory stays bounded and both cores work.
PART_CHARS = 1 << 15
_PART_ENDS = (re.compile(r"(?<=[^\W_])(?= )"), re.compile(r"(?<=[^\W_])(?=\s)"))


class Tokenizer:
    """A vocabulary with its rules.

    In `encode`, the spelling of a special token is ordinary text: a document that contains "<mask>" cannot smuggle a
    mask into training. `specials=True` reads them as the tokens, for prompts that a person writes.
    """

    def __init__(self, backend: tokenizers.Tokenizer):
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        self._backend = backend

    @classmethod
    def train(cls, kind: str, texts: Iterable[str], *, vocab_size: int) -> "Tokenizer":
        """Learn a vocabulary of at most `vocab_size` tokens, fewer if the texts are short: `data.tokenizer_training`.

        Raises:
          InputError: for an unknown kind, a vocabulary too small for its alphabet, or no text.
        """
        return cls(tokenizer_training.train(kind, texts, vocab_size=vocab_size))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Tokenizer":
        """Read a directory, tokenizer.json, vocab.txt (WordPiece), vocab.json beside merges.txt (byte-level BPE, CLIP's
        too), bpe_simple_vocab_16e6.txt.gz (CLIP), a .tiktoken file (GPT-2's, Whisper's) or a SentencePiece .model.

        Raises:
          InputError: if there is no such file, or it cannot be read as a tokenizer.
        """
        return cls(tokenizer_files.load(Path(path)))

    def save(self, directory: str | os.PathLike) -> Path:
        """Write `tokenizer.json` into `directory`, whole or not at all, and return its path."""
        return tokenizer_files.save(self._backend, Path(directory))

    def described(self, *, first: int) -> dict[str, str]:
        """tokenizer_config.json for transformers: the special tokens by their roles; `first` stands before a text."""
        found = {
            role: next((n for n in names if self._backend.token_to_id(n) is not None), "")
            for role, names in ROLES.items()
        }
        found |= {"bos": self.token(first), "eos": found["sep"]}
        return {f"{role}_token": name for role, name in found.items() if name}

    def encode(self, text: str, *, specials: bool = False) -> Int[np.ndarray, " n"]:
        """Ids of `text`, int32, with no special tokens around them."""
        if not specials:
            return self.encode_batch([text])[0]
        ids = self._reading_specials.encode(text, add_special_tokens=False).ids
        return np.asarray(ids, np.int32)

    def encode_batch(self, texts: Sequence[str]) -> list[Int[np.ndarray, " _"]]:
        """`encode` for many texts at once, on all cores."""
        parts, owners = _parts(texts)
        encoded = self._backend.encode_batch_fast(parts, add_special_tokens=False)
        ids = [np.asarray(e.ids, np.int32) for e in encoded]
        return _joined(ids, owners, len(texts))

    def encode_with_starts(self, texts: Sequence[str]) -> list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]]:
        """For each text its ids, and for each id the character where it starts (never decreasing)."""
        return [(ids, np.maximum.accumulate(spans[:, 0])) for ids, spans in self._encode_with_offsets(texts)]

    def encode_with_spans(self, texts: Sequence[str]) -> list[tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n 2"]]]:
        """For each text its ids, and for each id the characters [start, end) that it stands for, without white space
        around them (of a token that is nothing else: an empty span). The bytes of one character all stand for it.
        """
        found = self._encode_with_offsets(texts)
        return [(ids, _without_spaces(text, spans)) for text, (ids, spans) in zip(texts, found, strict=True)]

    def _encode_with_offsets(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Ids, and characters [start, end) as the backend tells them."""
        parts, owners = _parts(texts)
        encoded = self._backend.encode_batch(parts, add_special_tokens=False)
        ids = _joined([np.asarray(e.ids, np.int32) for e in encoded], owners, len(texts))
        spans, begin, last = [], 0, -1
        for part, owner, e in zip(parts, owners, encoded, strict=True):
            begin = 0 if owner != last else begin
            numbers = np.fromiter(chain.from_iterable(e.offsets), np.int64, 2 * len(e))
            spans.append(numbers.reshape(-1, 2) + begin)
            begin, last = begin + len(part), owner
        return list(zip(ids, _joined(spans, owners, len(texts)), strict=True))

    def decode(self, ids: Sequence[int] | Int[np.ndarray, " n"], *, specials: bool = False) -> str:
        """The text of `ids`; special tokens are left out unless `specials`. Exact for byte-level BPE."""
        return self._backend.decode(np.asarray(ids).tolist(), skip_special_tokens=not specials)

    def token(self, token_id: int) -> str:
        """The vocabulary's own spelling of one id."""
        return self._tokens[token_id]

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return len(self._tokens)

    @property
    def pad_id(self) -> int:
        return self._role("pad")

    @property
    def cls_id(self) -> int:
        return self._role("cls")

    @property
    def sep_id(self) -> int:
        return self._role("sep")

    @property
    def mask_id(self) -> int:
        return self._role("mask")

    @property
    def unk_id(self) -> int:
        return self._role("unk")

    @cached_property
    def special_ids(self) -> Int[np.ndarray, " n"]:
        """Every id that is no text, sorted, int32."""
        ids = {i for i, token in self._backend.get_added_tokens_decoder().items() if token.special}
        found = (self._backend.token_to_id(name) for names in ROLES.values() for name in names)
        return np.asarray(sorted(ids | {i for i in found if i is not None}), np.int32)

    @cached_property
    def sentinel_ids(self) -> Int[np.ndarray, " n"]:
        """Those of `<extra_id_0>`, `<extra_id_1>` and so on, without a gap; often none."""
        found = (self._backend.token_to_id(f"<extra_id_{number}>") for number in itertools.count())
        return np.asarray(list(itertools.takewhile(lambda i: i is not None, found)), np.int32)

    @cached_property
    def starts_word(self) -> Bool[np.ndarray, " V"]:
        """Whether a token begins a word, per id; what does not begin one belongs to the word before it.

        WordPiece: not "##". Otherwise: it starts with the space marker, white space or punctuation. Special tokens
        stand alone.
        """
        model = json.loads(self._backend.to_str())["model"]
        prefix = model.get("continuing_subword_prefix")
        if model["type"] == "WordPiece":
            starts = np.array([not t.startswith(prefix) for t in self._tokens], bool)
        else:
            starts = np.array([_looks_like_start(t) for t in self._tokens], bool)
        starts[self.special_ids] = True
        return starts

    @cached_property
    def sha256(self) -> str:
        """Digest of the vocabulary and its rules: equal digests give equal ids."""
        content = json.dumps(json.loads(self._backend.to_str()), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @cached_property
    def _tokens(self) -> list[str]:
        vocab = self._backend.get_vocab(with_added_tokens=True)
        tokens = [""] * (max(vocab.values()) + 1)
        for token, i in vocab.items():
            tokens[i] = token
        return tokens

    @cached_property
    def _reading_specials(self) -> tokenizers.Tokenizer:
        return tokenizers.Tokenizer.from_str(tokenizer_files.written(self._backend))

    def _role(self, role: str) -> int:
        for name in ROLES[role]:
            found = self._backend.token_to_id(name)
            if found is not None:
                return found
        names = " or ".join(ROLES[role])
        raise InputError(f"this tokenizer has no {role} token ({names}); use one that has, or train one")


def _looks_like_start(token: str) -> bool:
    # Byte-level BPE writes the byte b < 33 as chr(256 + b), so U+0100..U+0120 are the control characters and the space.
    first = token[:1]
    return first == "▁" or "\u0100" <= first <= "\u0120" or not (first.isalnum() or first == "_" or first > "\x7f")


def _parts(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Cut long texts between a letter or digit and the white space after it, where no tokenizer of ours looks across.

    Not after white space: byte-level BPE reads a run of it differently at the end of a text. Before a space if there is
    one: where SentencePiece keeps all white space, it writes a space of its own before a text that starts otherwise.

    Where the text offers no such place the cut falls after PART_CHARS characters, and may fall inside a word.
    """
    parts, owners = [], []
    for owner, text in enumerate(texts):
        begin = 0
        while len(text) - begin > 2 * PART_CHARS:
            found = (gap.search(text, begin + PART_CHARS, begin + 2 * PART_CHARS) for gap in _PART_ENDS)
            end = next((at.end() for at in found if at), begin + PART_CHARS)
            parts.append(text[begin:end])
            owners.append(owner)
            begin = end
        parts.append(text[begin:])
        owners.append(owner)
    return parts, owners


def _without_spaces(text: str, spans: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "n 2"]:
    space = np.fromiter(map(str.isspace, text), bool, len(text))
    places = np.arange(len(text))
    # The first character from each on that is no space, and one past the last before each.
    following = np.minimum.accumulate(np.where(space, len(text), places)[::-1])[::-1]
    before = np.maximum.accumulate(np.where(space, 0, places + 1))
    following, before = np.append(following, len(text)), np.insert(before, 0, 0)
    starts = np.minimum(following[spans[:, 0]], spans[:, 1])
    return np.stack([starts, np.maximum(before[spans[:, 1]], starts)], axis=1)


def _joined(pieces: list[np.ndarray], owners: list[int], count: int) -> list[np.ndarray]:
    if len(pieces) == count:
        return pieces
    groups: list[list[np.ndarray]] = [[] for _ in range(count)]
    for piece, owner in zip(pieces, owners, strict=True):
        groups[owner].append(piece)
    return [group[0] if len(group) == 1 else np.concatenate(group) for group in groups]
