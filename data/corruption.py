"""Texts spoilt so that a net that reads them and writes learns to restore them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from data.packing import PackedRows
from data.tokenizer import Tokenizer
from errors import InputError

Ids = Int[np.ndarray, " _"]


def span_corrupted(
    ids: Ids, rng: np.random.Generator, *, rate: float, mean_span: float, sentinels: Ids
) -> tuple[Ids, Ids]:
    """(what is left with a sentinel for each span taken out, each sentinel with its span behind it), neither ended.

    `rate` of the tokens are taken out, in spans of `mean_span` tokens on average, whose lengths and places are drawn
    evenly; the first token is always kept, the last always taken out, and no two spans touch. Sentinels are used in
    their order. Of a text of fewer than two tokens nothing is taken out.

    Raises:
      InputError: more spans are needed than there are sentinels.
    Source: Raffel et al. 2020, section 3.1.4 and code (random_spans_noise_mask).
    """
    if len(ids) < 2:
        return ids, ids[:0]
    taken = min(max(round(len(ids) * rate), 1), len(ids) - 1)
    spans = min(max(round(taken / mean_span), 1), taken, len(ids) - taken)
    if spans > len(sentinels):
        raise InputError(
            f"{spans} spans are taken out of a row of {len(ids)} tokens, and there are {len(sentinels)} sentinels: "
            "shorten data.length, or add spare rows by model.vocab_size"
        )
    kept_lengths, taken_lengths = _partition(len(ids) - taken, spans, rng), _partition(taken, spans, rng)
    read, written, at = [], [], 0
    for kept, out, sentinel in zip(kept_lengths, taken_lengths, sentinels[:spans], strict=True):
        read += [ids[at : at + kept], [sentinel]]
        written += [[sentinel], ids[at + kept : at + kept + out]]
        at += kept + out
    return np.concatenate(read).astype(np.int32), np.concatenate(written).astype(np.int32)


def _partition(total: int, parts: int, rng: np.random.Generator) -> Int[np.ndarray, " parts"]:
    """`total` as a sum of `parts` whole numbers of at least 1, all such sums alike."""
    ends = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1 if parts > 1 else np.zeros(0, np.int64)
    return np.diff(np.concatenate([[0], ends, [total]]).astype(np.int64))


def infilled(ids: Ids, rng: np.random.Generator, *, rate: float, mean_span: float, mask_id: int) -> Ids:
    """`ids` with spans of `rate` of its tokens in all replaced by one mask each; a span of no token inserts a mask.

    Lengths are drawn from a Poisson distribution with mean `mean_span`; spans do not touch.

    Source: Lewis et al. 2019, section 2.2 (text infilling).
    """
    left, lengths = round(len(ids) * rate), []
    while left > 0:
        lengths.append(min(int(rng.poisson(mean_span)), left))
        left -= lengths[-1]
    kept = len(ids) - sum(lengths)
    # No more masks than tokens taken out, so that nothing grows; and each gap of the kept tokens takes one at most.
    empty = max(0, sum(lengths) - sum(length > 0 for length in lengths))
    lengths = [n for number, n in enumerate(lengths) if n or lengths[:number].count(0) < empty][: kept + 1]
    gaps = np.sort(rng.choice(kept + 1, len(lengths), replace=False)) if lengths else np.zeros(0, np.int64)
    pieces, at, before = [], 0, 0
    for gap, length in zip(gaps, lengths, strict=True):
        pieces += [ids[at : at + gap - before], [mask_id]]
        at += gap - before + length
        before = gap
    return np.concatenate([*pieces, ids[at:]]).astype(np.int32)


def permuted(ids: Ids, ends: Bool[np.ndarray, " n"], rng: np.random.Generator) -> Ids:
    """The sentences of `ids` in an order drawn evenly; `ends` is True at the last token of each.

    Source: Lewis et al. 2019, section 2.2 (sentence permutation).
    """
    sentences = np.split(ids, np.flatnonzero(ends[:-1]) + 1)
    return np.concatenate([sentences[i] for i in rng.permutation(len(sentences))])


@dataclass(frozen=True)
class RowTexts:
    """The texts of packed rows without the special tokens around them: a source of {"ids", "index"}."""

    rows: PackedRows
    special_ids: Ids

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        begin, end = self.rows.row_starts[index], self.rows.row_starts[index + 1]
        ids = np.asarray(self.rows.tokens[begin:end], np.int32)
        return {"ids": ids[~np.isin(ids, self.special_ids)], "index": np.int32(index)}


def sentinel_ids(tokenizer: Tokenizer, rows: int) -> Ids:
    """`<extra_id_0>` and so on where the vocabulary has them, else the spare ones of a table of `rows` words.

    Raises:
      InputError: there are neither.
    """
    own = tokenizer.sentinel_ids
    found = own if len(own) else np.arange(tokenizer.vocab_size, rows, dtype=np.int32)
    if not len(found):
        raise InputError(
            "the vocabulary has no <extra_id_0> to stand for what is taken out: set model.vocab_size to "
            f"{tokenizer.vocab_size + 100}, whose last 100 entries will"
        )
    return found
