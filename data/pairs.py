"""A text to read and a text to write, as ids; and their padding into batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from data.padding import padded, real_places
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError

STARTS = ("cls", "sep", "pad")


@dataclass(frozen=True)
class Form:
    """How texts become ids; lengths are in tokens, special ones included. `prefix` stands before each text to read.

    `start` is the special token before what is written, which tells the rest of the convention: "cls" reads `cls x sep`
    and writes `x sep` after a cls; "sep" writes `cls x sep` after a sep (BART); "pad" reads and writes `x sep` (T5).
    """

    length: int
    target_length: int
    start: str = "cls"
    prefix: str = ""

    def __post_init__(self):
        if self.length < 4 or self.target_length < 4:
            raise InputError("data.length and data.target_length must be at least 4 tokens")
        if self.start not in STARTS:
            raise InputError(f"model.decoder_start={self.start!r} is not one of {', '.join(STARTS)}")

    def before_source(self, tokenizer: Tokenizer) -> list[int]:
        return [] if self.start == "pad" else [tokenizer.cls_id]

    def before_target(self, tokenizer: Tokenizer) -> list[int]:
        return [tokenizer.cls_id] if self.start == "sep" else []

    def start_id(self, tokenizer: Tokenizer) -> int:
        return getattr(tokenizer, f"{self.start}_id")


@dataclass(frozen=True)
class PairExamples:
    """A source of {"input_ids": int32[n], "question": int, "index": int} and, where known, "target_ids"; not padded.

    "question" counts the tokens in front that ask something of the text. `lengths` is what batches are padded by: the
    longer of both sides, the target's as a share of its own longest. `cut` says how many sources, and how many targets,
    lost their end; `left_out` how many pairs an empty side; `numbers` are the records' that were kept.
    """

    sources: tuple[Int[np.ndarray, " _"], ...]
    targets: tuple[Int[np.ndarray, " _"], ...] | None
    questions: tuple[int, ...]
    lengths: Int[np.ndarray, " N"]
    origins: tuple[str, ...]
    numbers: tuple[int, ...]
    cut: tuple[int, int]
    left_out: int

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = {"input_ids": self.sources[index], "question": self.questions[index], "index": np.int32(index)}
        return example if self.targets is None else example | {"target_ids": self.targets[index]}

    def __str__(self) -> str:
        told = f"{len(self)} texts, median {_median(self.sources)} tokens to read"
        told += f" and {_median(self.targets)} to write" if self.targets else ""
        told += "".join(
            f", {count} {what} cut" for count, what in zip(self.cut, ("read", "written"), strict=True) if count
        )
        return told + (f", {self.left_out} left out whose one side is empty" if self.left_out else "")


def pair_examples(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    form: Form,
    *,
    text: str,
    question: str = "",
    target: str = "",
    keep_empty: bool = True,
) -> PairExamples:
    """`text` names the field that is read, `question` one put before it, `target` the one that is written.

    Texts too long lose their end, a question nothing. Pairs of which one side is empty are left out unless
    `keep_empty`.

    Raises:
      InputError: naming file and line, for a field that is missing or no text, or a question that leaves no room.
    """
    fields = [field for field in (question, text, target) if field]
    texts = [[record.text(field) for field in fields] for record in records]
    kept = [i for i, row in enumerate(texts) if keep_empty or all(each.strip() for each in row)]
    if not kept:
        raise InputError(f"{records[0].origin} and all that follow: one side of each pair is empty")
    origins = tuple(records[i].origin for i in kept)
    columns = dict(zip(fields, zip(*(texts[i] for i in kept), strict=True), strict=True))
    columns[text] = [form.prefix + each for each in columns[text]]
    ids = {field: tokenizer.encode_batch(list(column)) for field, column in columns.items()}
    before = form.before_source(tokenizer)
    fronts = (
        [[*before, *each.tolist(), tokenizer.sep_id] for each in ids[question]] if question else [before] * len(kept)
    )
    for origin, front in zip(origins, fronts, strict=True):
        if len(front) + 2 > form.length:
            raise InputError(f"{origin}: its {question} alone fills a row of data.length={form.length} tokens")
    end = tokenizer.sep_id
    sources, cut = _closed(fronts, ids[text], end, form.length)
    targets, cut_targets = None, 0
    if target:
        fronts_of_targets = [form.before_target(tokenizer)] * len(kept)
        targets, cut_targets = _closed(fronts_of_targets, ids[target], end, form.target_length)
    return PairExamples(
        sources=sources,
        targets=targets,
        questions=tuple(len(front) if question else 0 for front in fronts),
        lengths=_lengths(sources, targets, form),
        origins=origins,
        numbers=tuple(kept),
        cut=(cut, cut_targets),
        left_out=len(records) - len(kept),
    )


def _closed(
    fronts: Sequence[list[int]], texts: Sequence[np.ndarray], end: int, length: int
) -> tuple[tuple[Int[np.ndarray, " _"], ...], int]:
    """`front text end` for each, the text cut to `length` in all, and how many were cut."""
    rows = [
        np.asarray([*front, *text[: length - len(front) - 1], end], np.int32)
        for front, text in zip(fronts, texts, strict=True)
    ]
    whole = [len(front) + len(text) + 1 for front, text in zip(fronts, texts, strict=True)]
    return tuple(rows), sum(n > length for n in whole)


def _lengths(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray] | None, form: Form) -> np.ndarray:
    read = np.asarray([len(ids) for ids in sources])
    written = np.asarray([len(ids) for ids in targets]) if targets else np.zeros_like(read)
    return np.maximum(read, -(-written * form.length // form.target_length)).astype(np.int32)


def _median(rows: Sequence[np.ndarray]) -> int:
    return int(np.median([len(row) for row in rows]))


@dataclass(frozen=True)
class PadPairs:
    """Collation: both sides padded to the smallest of `lengths` (increasing) that the global batch fits in.

    The written side has its share of that length: `target_length` where it is the last. Gives input_ids,
    attention_mask, index; with targets decoder_input_ids (those moved one place to the right behind `start_id`),
    decoder_attention_mask, labels and label_weights; with `question_global` global_attention_mask, 1 at the question,
    or where there is none at the first token.
    """

    lengths: tuple[int, ...]
    target_length: int
    pad_id: int
    start_id: int
    question_global: bool = False

    def __call__(
        self, examples: Sequence[dict[str, Any]], longest: int | None = None
    ) -> dict[str, Shaped[np.ndarray, "b ..."]]:
        rows = [example["input_ids"] for example in examples]
        longest = max(map(len, rows)) if longest is None else longest
        length = next(n for n in self.lengths if n >= longest)
        batch = {
            "input_ids": padded(rows, length, self.pad_id),
            "attention_mask": real_places(rows, length),
            "index": np.asarray([example["index"] for example in examples], np.int32),
        }
        if self.question_global:
            first = [max(1, example["question"]) for example in examples]
            batch["global_attention_mask"] = (np.arange(length) < np.asarray(first)[:, None]).astype(np.int32)
        if "target_ids" not in examples[0]:
            return batch
        targets = [example["target_ids"] for example in examples]
        room = -(-length * self.target_length // self.lengths[-1])
        labels, real = padded(targets, room, self.pad_id), real_places(targets, room)
        batch["decoder_input_ids"] = np.concatenate([np.full_like(labels[:, :1], self.start_id), labels[:, :-1]], 1)
        return batch | {"decoder_attention_mask": real, "labels": labels, "label_weights": real.astype(np.float32)}
