"""A question, its candidate answers and some documents in one row, as WikiHop's (Welbl et al. 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from data.choices import choices_of, place_of
from data.padding import padded, real_places
from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError


@dataclass(frozen=True)
class CandidateExamples:
    """A source of {"input_ids": int32[n], "front": int, "places": int32[c], "room": int, "index": int} and, where
    known, "label", the place of the right one among the candidates.

    A row is cls, question, then each candidate after a sep, then each document after a sep, and a last sep. `places`
    are those of the seps before candidates; "front" counts the tokens before the first document. `cut` says how many
    rows lost the end of their documents.
    """

    ids: tuple[Int[np.ndarray, " _"], ...]
    fronts: tuple[int, ...]
    places: tuple[Int[np.ndarray, " _"], ...]
    choices: tuple[tuple[str, ...], ...]
    labels: Int[np.ndarray, " N"] | None
    origins: tuple[str, ...]
    cut: int

    @cached_property
    def most(self) -> int:
        return max(map(len, self.choices))

    @cached_property
    def lengths(self) -> Int[np.ndarray, " N"]:
        return np.asarray([len(ids) for ids in self.ids], np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = {"input_ids": self.ids[index], "front": self.fronts[index], "places": self.places[index]}
        example |= {"room": self.most, "index": np.int32(index)}
        return example if self.labels is None else example | {"label": self.labels[index]}


def candidate_examples(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    *,
    length: int,
    text: str,
    question: str,
    choices: str,
    label: str | None = "label",
    most_front: int = 0,
) -> CandidateExamples:
    """The field `text` is one document or a list of them; the last ones lose their end where a row would be too long.

    Raises:
      InputError: naming file and line, for a missing field, fewer than two candidates, a label that is none of them, or
        a question with candidates of more than `most_front` tokens (0 = any number), or that leave no room for a
        document.
    """
    offered = tuple(choices_of(record, choices) for record in records)
    labels = None
    if label is not None:
        labels = np.asarray([place_of(r, label, c) for r, c in zip(records, offered, strict=True)], np.int32)
    rows = [
        _row(record, tokenizer, length, record.text(question), found, list(record.texts(text)))
        for record, found in zip(records, offered, strict=True)
    ]
    for record, (_, front, _, _) in zip(records, rows, strict=True):
        if most_front and front > most_front:
            raise InputError(
                f"{record.origin}: its {question} and {choices} are {front} tokens, and model.max_global_tokens allows "
                f"{most_front} that see everything"
            )
    return CandidateExamples(
        ids=tuple(ids for ids, *_ in rows),
        fronts=tuple(front for _, front, *_ in rows),
        places=tuple(places for _, _, places, _ in rows),
        choices=offered,
        labels=labels,
        origins=tuple(record.origin for record in records),
        cut=sum(cut for *_, cut in rows),
    )


def _row(
    record: Record, tokenizer: Tokenizer, length: int, question: str, choices: Sequence[str], documents: list[str]
) -> tuple[Int[np.ndarray, " n"], int, Int[np.ndarray, " c"], bool]:
    """The ids, the tokens before the documents, the places of the candidates' seps, and whether something was lost."""
    encoded = tokenizer.encode_batch([question, *choices, *documents])
    ids, places = [tokenizer.cls_id, *encoded[0].tolist()], []
    for candidate in encoded[1 : 1 + len(choices)]:
        places.append(len(ids))
        ids += [tokenizer.sep_id, *candidate.tolist()]
    front = len(ids)
    if front + 2 > length:
        raise InputError(f"{record.origin}: the question and its candidates fill a row of data.length={length} tokens")
    for document in encoded[1 + len(choices) :]:
        ids += [tokenizer.sep_id, *document.tolist()]
    cut = len(ids) + 1 > length
    return np.asarray([*ids[: length - 1], tokenizer.sep_id], np.int32), front, np.asarray(places, np.int32), cut


@dataclass(frozen=True)
class PadCandidates:
    """Collation: rows padded to the smallest of `lengths` (increasing) that holds the longest of the global batch.

    Gives input_ids, attention_mask, index, labels where known, choice_places [B C] and choice_mask [B C], true where
    there is a candidate; with `front_global` also global_attention_mask, 1 at the question and its candidates.
    """

    lengths: tuple[int, ...]
    pad_id: int
    front_global: bool = False

    def __call__(
        self, examples: Sequence[dict[str, Any]], longest: int | None = None
    ) -> dict[str, Shaped[np.ndarray, "b ..."]]:
        rows = [example["input_ids"] for example in examples]
        longest = max(map(len, rows)) if longest is None else longest
        length = next(n for n in self.lengths if n >= longest)
        room = max(example["room"] for example in examples)
        counts = np.asarray([len(example["places"]) for example in examples])
        batch = {
            "input_ids": padded(rows, length, self.pad_id),
            "attention_mask": real_places(rows, length),
            "choice_places": padded([example["places"] for example in examples], room, 0),
            "choice_mask": np.arange(room) < counts[:, None],
            "index": np.asarray([example["index"] for example in examples], np.int32),
        }
        if "label" in examples[0]:
            batch["labels"] = np.asarray([example["label"] for example in examples], np.int32)
        if self.front_global:
            fronts = np.asarray([example["front"] for example in examples])
            batch["global_attention_mask"] = (np.arange(length) < fronts[:, None]).astype(np.int32)
        return batch
