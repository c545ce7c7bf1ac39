"""Examples for classifying one text or a pair of texts, and their padding into batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int, Shaped

from data.padding import padded, real_places
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError

LONGEST_NUMBER = 1000  # digits; Python's `int` reads up to 4300


@dataclass(frozen=True)
class ClassificationExamples:
    """A source of {"input_ids": int32[n], "index": int} and, where known, "label" and "token_type_ids"; not padded.

    `lengths` counts each example's tokens, `truncated` the examples that lost some; `origins` are "file:line".
    """

    ids: tuple[Int[np.ndarray, " _"], ...]
    second_starts: tuple[int, ...] | None  # where a pair's second text begins
    labels: Shaped[np.ndarray, " N"] | None  # int32 classes, or float32 numbers
    lengths: Int[np.ndarray, " N"]
    origins: tuple[str, ...]
    classes: tuple[str, ...]
    truncated: int

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = {"input_ids": self.ids[index], "index": np.int32(index)}
        if self.labels is not None:
            example["label"] = self.labels[index]
        if self.second_starts is not None:
            example["token_type_ids"] = (np.arange(len(self.ids[index])) >= self.second_starts[index]).astype(np.int32)
        return example


def classification_examples(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    *,
    length: int,
    classes: Sequence[str],
    text: str = "text",
    pair: str | None = None,
    label: str | None = "label",
) -> ClassificationExamples:
    """Tokenise records into cls, text, sep; or for a pair as the tokenizer's family does it.

    RoBERTa: cls first sep sep second sep. BERT: cls first sep second sep, with token_type_ids. Texts too long for
    `length` tokens lose their end, the longer of a pair first. A label is the name of a class or, if none of the names
    is itself a whole number, one that counts them from 0; of a source that has names for its numbers, and one of
    `classes` among them, it counts those. Without `classes` it is any number, float32. `label=None` reads none, for
    prediction.

    Raises:
      InputError: naming file and line, for a missing field, a text that is no string, a label outside `classes`, or one
        that is no finite number.
    """
    fields = [text] if pair is None else [text, pair]
    # Labels first: they are quick, and a bad one should not wait for the tokenizer.
    labels = None if label is None else _labels(records, label, classes)
    texts = [tokenizer.encode_batch([r.text(field) for r in records]) for field in fields]
    between = separators(tokenizer)
    room = length - 2 - (len(between) if pair else 0)
    if room < len(fields):
        raise InputError(f"a length of {length} tokens leaves no room for the text")
    ids, seconds, truncated = [], [], 0
    for parts in zip(*texts, strict=True):
        kept = _truncate(parts, room)
        truncated += sum(map(len, kept)) < sum(map(len, parts))
        ids.append(_join(kept, between, tokenizer))
        seconds.append(1 + len(kept[0]) + len(between))
    return ClassificationExamples(
        ids=tuple(ids),
        second_starts=tuple(seconds) if pair and len(between) == 1 else None,
        labels=labels,
        lengths=np.asarray([len(x) for x in ids], np.int32),
        origins=tuple(r.origin for r in records),
        classes=tuple(classes),
        truncated=truncated,
    )


def _labels(records: Sequence[Record], field: str, classes: Sequence[str]) -> Shaped[np.ndarray, " N"]:
    if not classes:
        return np.asarray([_number(r, field) for r in records], np.float32)
    return np.asarray([_label(r, field, classes) for r in records], np.int32)


def classes_of(records: Sequence[Record], label: str, *, also: Sequence[str] = ()) -> tuple[str, ...]:
    """The different labels and those of `also`, whole numbers in their order, else sorted as text.

    Raises:
      InputError: naming file and line, for a label that is no text, whole number or truth value, or an empty one.
    """
    names = set(also)
    for record in records:
        value = record.get(label)
        if not isinstance(value, str | int) or not (name := _name(value)):
            told = "empty" if value == "" else f"{value!r}, which is no name"
            raise InputError(f"{record.origin}: the {label} is {told}; name the classes in data.classes")
        names.add(name)
    names = sorted(names)  # first: "1" and "01" are one number, and a set's order is another in each process
    return tuple(sorted(names, key=int) if all(map(_is_whole, names)) else names)


def _name(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_whole(name: str) -> bool:
    """Whether it is a whole number, of no more digits than `int` reads."""
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < LONGEST_NUMBER


def _number(record: Record, field: str) -> float:
    value = record.get(field)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > float(np.finfo(np.float32).max):
        raise InputError(f"{record.origin}: the {field} {str(value)[:80]!r} is not a finite number")
    return number


def _label(record: Record, field: str, classes: Sequence[str]) -> int:
    value = record.get(field)
    name = _name(value)
    own = record.classes.get(field, ())
    counted = own and isinstance(value, int) and 0 <= value < len(own)
    if counted and set(own) & set(classes) and not any(map(_is_whole, own)):
        name = own[value]  # as the source calls it, which may count its classes in another order
    if name in classes:
        return list(classes).index(name)
    # Where classes are called 1, 2 and 3 a label 0 is none of them, and not the first.
    counted = isinstance(value, int | str) and _is_whole(name) and not any(map(_is_whole, classes))
    if counted and 0 <= int(name) < len(classes):
        return int(name)
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    raise InputError(f"{record.origin}: the {field} {name[:80]!r} is not one of the {len(classes)} classes ({shown})")


def separators(tokenizer: Tokenizer) -> list[int]:
    """What separates a pair: RoBERTa doubles the separator and has no token types, BERT does the opposite."""
    doubled = tokenizer.token(tokenizer.sep_id) == "</s>"
    return [tokenizer.sep_id] * (2 if doubled else 1)


def _truncate(parts: Sequence[np.ndarray], room: int) -> list[np.ndarray]:
    if len(parts) == 1:
        return [parts[0][:room]]
    first, second = map(len, parts)
    # The shorter keeps all it has up to half the room; the longer takes what is left.
    second = min(second, max(room - first, room // 2))
    return [parts[0][: room - second], parts[1][:second]]


def _join(parts: Sequence[np.ndarray], between: list[int], tokenizer: Tokenizer) -> Int[np.ndarray, " n"]:
    pieces: list[Any] = [[tokenizer.cls_id], parts[0]]
    for part in parts[1:]:
        pieces += [between, part]
    return np.concatenate([*pieces, [tokenizer.sep_id]]).astype(np.int32)


@dataclass(frozen=True)
class PadTo:
    """Collation: pad to the smallest of `lengths` (increasing) that holds the longest example of the global batch.

    Gives input_ids, attention_mask, index, and labels and token_type_ids where the examples have them; with
    `global_first` also global_attention_mask, 1 on the first token only. Each length in use is one compilation. A
    subclass names in `by_token` what else its examples have for each token: padded with 0.
    """

    by_token: ClassVar[tuple[str, ...]] = ("token_type_ids",)

    lengths: tuple[int, ...]
    pad_id: int
    global_first: bool = False

    def __call__(
        self, examples: Sequence[dict[str, Any]], longest: int | None = None
    ) -> dict[str, Shaped[np.ndarray, "b ..."]]:
        sizes = [len(example["input_ids"]) for example in examples]
        longest = max(sizes) if longest is None else longest
        length = next((n for n in self.lengths if n >= longest), None)
        if length is None:
            raise InputError(
                f"an example of {longest} tokens is longer than the longest batch, {self.lengths[-1]} tokens"
            )
        batch = {
            "input_ids": padded([e["input_ids"] for e in examples], length, self.pad_id),
            "attention_mask": real_places([e["input_ids"] for e in examples], length),
            "index": np.asarray([e["index"] for e in examples], np.int32),
        }
        if "label" in examples[0]:
            labels = np.asarray([e["label"] for e in examples])
            batch["labels"] = labels.astype(np.float32 if labels.dtype.kind == "f" else np.int32)
        for name in self.by_token:
            if name in examples[0]:
                batch[name] = np.stack([np.pad(e[name], (0, length - len(e[name]))) for e in examples])
        if self.global_first:
            batch["global_attention_mask"] = np.zeros_like(batch["attention_mask"])
            batch["global_attention_mask"][:, 0] = 1
        return batch
