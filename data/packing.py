"""RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2): documents into rows of fixed length, in whole sentences.

Grain's packers were measured first: `FirstFitPackIterDataset` with one bin makes the same rows at 0.09 M tokens/s, for
it moves sentence by sentence in Python. Here a row's end is one binary search in the running sum of sentence lengths,
so that packing costs nothing beside tokenising, and rows can be addressed by number.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt

from data import packing_cache
from data.tokenizer import Tokenizer
from errors import InputError

MODES = ("full_sentences", "stream")
# Documents are tokenised in groups of about this many characters, which bounds memory.
GROUP_CHARS = 1 << 22
# A sentence ends after line breaks, and before white space that follows a full stop, question or exclamation mark: the
# tokens of byte-level BPE begin with the space before their word, so that space belongs to the next sentence.
_SENTENCE_END = re.compile(r"\n+|(?<=[.!?…。\uff01\uff1f])[\"')\]]*(?=[^\S\n])")


@dataclass(frozen=True)
class PackedRows:
    """Rows to read at random: `rows[i]` is {"input_ids": int32[L], "segment_ids": int32[L]}.

    Segment ids are 0 for padding, then 1, 2, ... for the documents in the row. Only real tokens are stored: row i is
    `tokens[row_starts[i]:row_starts[i + 1]]`, and `segment_starts` holds every place in `tokens` where a row or a
    document begins, of which row i owns those from `row_segments[i]` to `row_segments[i + 1]`.
    """

    tokens: UInt[np.ndarray, " N"]
    row_starts: Int[np.ndarray, " R1"]
    segment_starts: Int[np.ndarray, " M"]
    row_segments: Int[np.ndarray, " R1"]
    length: int
    pad_id: int
    documents: int
    empty_documents: int

    def __len__(self) -> int:
        return len(self.row_starts) - 1

    def __getitem__(self, index: int) -> dict[str, Int[np.ndarray, " L"]]:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        begin, end = self.row_starts[index], self.row_starts[index + 1]
        input_ids = np.full(self.length, self.pad_id, np.int32)
        input_ids[: end - begin] = self.tokens[begin:end]
        segment_ids = np.zeros(self.length, np.int32)
        starts = self.segment_starts[self.row_segments[index] : self.row_segments[index + 1]]
        segment_ids[starts - begin] = 1
        np.cumsum(segment_ids, out=segment_ids)
        segment_ids[end - begin :] = 0
        return {"input_ids": input_ids, "segment_ids": segment_ids}

    @property
    def fill(self) -> float:
        """The share of places that hold a token."""
        return len(self.tokens) / (len(self) * self.length)

    def __str__(self) -> str:
        size = (
            f"{len(self.tokens) / 1e6:.2f} M tokens of {self.documents} documents in {len(self)} rows of {self.length}"
        )
        empty = f", {self.empty_documents} documents had no token" if self.empty_documents else ""
        return f"{size}, {self.fill:.1%} full{empty}"


def tokenize_and_pack(
    documents: Iterable[str],
    tokenizer: Tokenizer,
    *,
    length: int,
    mode: str = "full_sentences",
    cache_dir: str | Path | None = None,
) -> PackedRows:
    """Rows of `length` tokens, each beginning with the cls token; every document ends with the sep token.

    - "full_sentences": a row takes whole sentences, in order and across document borders, until the next does not fit;
      only a sentence longer than a row is cut.
    - "stream": every row but the last is full; a row ends wherever it is full.

    With `cache_dir` the rows are kept there as memory-mapped arrays, named by a digest of everything they depend on; a
    damaged copy is noticed and made again.

    Raises:
      InputError: for an unknown mode, a length below 4, no token at all, or a cache that cannot be written.
    """
    if mode not in MODES:
        raise InputError(f"packing mode {mode!r} is unknown; choose one of {', '.join(MODES)}")
    if length < 4:
        raise InputError(f"a row of {length} tokens is too short to pack; the length must be at least 4")
    documents = documents if isinstance(documents, Sequence) else list(documents)
    if cache_dir is None:
        return _pack(documents, tokenizer, length, mode)
    directory = Path(cache_dir) / packing_cache.key(documents, tokenizer.sha256, length, mode)
    found = packing_cache.load(directory)
    if found is None:
        packing_cache.save(directory, vars(_pack(documents, tokenizer, length, mode)))
        found = packing_cache.load(directory)
    if found is None:
        raise InputError(
            f"{directory}: what was just written there reads back differently; use another cache directory or none"
        )
    return PackedRows(**found)


def _pack(documents: Sequence[str], tokenizer: Tokenizer, length: int, mode: str) -> PackedRows:
    dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
    tokens, pieces, sizes = [], [], []
    for ids, starts in _tokenized(documents, tokenizer, sentences=mode == "full_sentences"):
        sizes.append(len(ids) + 1 if len(ids) else 0)
        if len(ids):
            tokens.append(np.append(ids, tokenizer.sep_id).astype(dtype))
            pieces.append(np.diff(np.append(starts, len(ids) + 1)))
    if not tokens:
        raise InputError("there is nothing to pack: no document holds a token")
    if mode == "full_sentences":
        breaks = next_fit(np.concatenate(pieces), length - 1)
    else:
        breaks = np.append(np.arange(0, sum(sizes), length - 1), sum(sizes))
    arrays = _rows(np.concatenate(tokens), breaks, np.asarray([n for n in sizes if n]), tokenizer.cls_id)
    return PackedRows(
        **arrays, length=length, pad_id=tokenizer.pad_id, documents=len(documents), empty_documents=sizes.count(0)
    )


def _tokenized(
    documents: Sequence[str], tokenizer: Tokenizer, *, sentences: bool
) -> Iterator[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]]:
    """For each document its ids, and the indices of the ids that begin a sentence."""
    for group in _groups(documents):
        if not sentences:
            yield from ((ids, np.zeros(1, np.int64)) for ids in tokenizer.encode_batch(group))
            continue
        for text, (ids, at) in zip(group, tokenizer.encode_with_starts(group), strict=True):
            yield ids, sentence_starts(text, at)


def _groups(documents: Sequence[str]) -> Iterator[list[str]]:
    group, size = [], 0
    for text in documents:
        group.append(text)
        size += len(text)
        if size >= GROUP_CHARS:
            yield group
            group, size = [], 0
    if group:
        yield group


def sentence_starts(text: str, token_starts: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Indices of the tokens that begin a sentence, given the character where each token starts; the first is always 0.

    A token that reaches over a border belongs to the sentence before it.
    """
    borders = np.fromiter((m.end() for m in _SENTENCE_END.finditer(text)), np.int64)
    first = np.searchsorted(token_starts, borders, side="left")
    return np.unique(np.append(0, first[first < len(token_starts)]))


def next_fit(pieces: Int[np.ndarray, " P"], capacity: int) -> Int[np.ndarray, " R1"]:
    """Row borders, as token counts from the start: whole pieces in order, a new row when the next does not fit.

    A piece longer than `capacity` is cut every `capacity` tokens first.
    """
    ends = _cut(np.cumsum(pieces), pieces, capacity)
    breaks, filled = [0], 0
    while filled < ends[-1]:
        filled = int(ends[np.searchsorted(ends, filled + capacity, side="right") - 1])
        breaks.append(filled)
    return np.asarray(breaks, np.int64)


def _cut(ends: Int[np.ndarray, " P"], pieces: Int[np.ndarray, " P"], capacity: int) -> Int[np.ndarray, " Q"]:
    long = np.flatnonzero(pieces > capacity)
    if not len(long):
        return ends
    cuts = [np.arange(ends[i] - pieces[i] + capacity, ends[i], capacity) for i in long]
    return np.sort(np.concatenate([ends, *cuts]))


def _rows(
    tokens: np.ndarray, breaks: Int[np.ndarray, " R1"], sizes: Int[np.ndarray, " D"], cls_id: int
) -> dict[str, np.ndarray]:
    """Put a cls token before each row: a document's start moves right by one for every row begun by then."""
    row_count = len(breaks) - 1
    with_cls = np.insert(tokens, breaks[:-1], cls_id)
    row_starts = breaks + np.arange(row_count + 1)
    document_starts = np.cumsum(sizes) - sizes
    inside = document_starts[~np.isin(document_starts, breaks)]  # one that opens a row begins at that row's cls
    moved = inside + np.searchsorted(breaks, inside, side="right")
    segment_starts = np.sort(np.concatenate([row_starts[:-1], moved]))
    return {
        "tokens": with_cls,
        "row_starts": row_starts,
        "segment_starts": segment_starts,
        "row_segments": np.searchsorted(segment_starts, row_starts),
    }
