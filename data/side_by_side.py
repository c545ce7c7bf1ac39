"""Examples of several rows, as many for each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from data.classification import ClassificationExamples


@dataclass(frozen=True)
class SideBySide:
    """A source of {"rows": [one example of each of `each`], "index": int} and, where the first has labels, "label".

    `lengths` are in tokens, of the longest row; `truncated` counts the rows that lost some.
    """

    each: tuple[ClassificationExamples, ...]

    @property
    def ids(self) -> tuple[Int[np.ndarray, " _"], ...]:
        """Of all first rows, then of all second ones, and so on."""
        return tuple(ids for examples in self.each for ids in examples.ids)

    @property
    def labels(self) -> Shaped[np.ndarray, " N"] | None:
        return self.each[0].labels

    @property
    def lengths(self) -> Int[np.ndarray, " N"]:
        return np.max([examples.lengths for examples in self.each], axis=0)

    @property
    def origins(self) -> tuple[str, ...]:
        return self.each[0].origins

    @property
    def truncated(self) -> int:
        return sum(examples.truncated for examples in self.each)

    def __len__(self) -> int:
        return len(self.each[0])

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = [examples[index] for examples in self.each]
        for row in rows:
            row.pop("label", None)
        example = {"rows": rows, "index": np.int32(index)}
        return example if self.labels is None else example | {"label": self.labels[index]}
