"""Pairs of texts, each a row of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from data.classification import ClassificationExamples, classification_examples
from data.records import Record
from data.tokenizer import Tokenizer


@dataclass(frozen=True)
class MatchingExamples:
    """A source of {"rows": two examples of ClassificationExamples, "index": int} and, where known, "label".

    `lengths` are in tokens, of the longer row; `truncated` counts the rows that lost some.
    """

    first: ClassificationExamples  # with the labels
    second: ClassificationExamples

    @property
    def ids(self) -> tuple[Int[np.ndarray, " _"], ...]:
        """Of the first rows, then of the second."""
        return self.first.ids + self.second.ids

    @property
    def labels(self) -> Int[np.ndarray, " N"] | None:
        return self.first.labels

    @property
    def lengths(self) -> Int[np.ndarray, " N"]:
        return np.maximum(self.first.lengths, self.second.lengths)

    @property
    def origins(self) -> tuple[str, ...]:
        return self.first.origins

    @property
    def truncated(self) -> int:
        return self.first.truncated + self.second.truncated

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = [self.first[index], self.second[index]]
        example = {"rows": rows, "index": np.int32(index)}
        return example if self.labels is None else example | {"label": rows[0].pop("label")}


def matching_examples(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    *,
    length: int,
    texts: tuple[str, str],
    classes: Sequence[str],
    label: str | None = "label",
) -> MatchingExamples:
    """Each text as cls, text, sep, its end cut off at `length` tokens; `label` as in `classification_examples`.

    Raises:
      InputError: as there.
    """
    first, second = (
        classification_examples(records, tokenizer, length=length, classes=classes, text=text, label=read)
        for text, read in zip(texts, (label, None), strict=True)
    )
    return MatchingExamples(first, second)
