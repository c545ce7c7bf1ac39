"""How two texts stand to each other, told from a vector of each: neither is read with a view of the other.

python train.py --config=configs/long_range.py:retrieval
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from data.classification import classification_examples
from data.records import Record
from data.side_by_side import SideBySide
from errors import InputError
from tasks.classification import Classification
from tasks.inputs import pad_rows
from tasks.task import Batch


class Matching(Classification):
    """One class for each pair of the fields `data.text` and `data.text_pair` (Tay et al. 2020, section 2.2).

    As `Classification`, which reads both in one row.
    """

    hides_inputs: ClassVar[bool] = False
    exports: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        if not self.config.data.text_pair:
            raise InputError("data.text_pair must name the field of the text that data.text is matched with")
        if self.config.model.classifier:
            raise InputError("model.classifier stands before what tells one vector; leave it empty for matching")

    @property
    def head(self) -> dict[str, Any]:
        model = self.config.model
        return {"classes": len(self.classes), "pooling": model.pooling, "interaction": model.interaction}

    @property
    def rows(self) -> int:
        return 2

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        return pad_rows(self.padded, examples, longest)

    def examples_of(self, records: Sequence[Record], *, labelled: bool) -> SideBySide:
        data, label = self.config.data, self.config.data.label if labelled else None
        how = {"length": data.length, "classes": self.classes}
        return SideBySide(
            (
                classification_examples(records, self.tokenizer, text=data.text, label=label, **how),
                classification_examples(records, self.tokenizer, text=data.text_pair, label=None, **how),
            )
        )

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> SideBySide:
        data = self.config.data
        examples = self.examples_of(self._records(split, labelled=labelled), labelled=labelled)
        print(
            f"{split}: {len(examples)} pairs, the longer of median {int(np.median(examples.lengths))} tokens, "
            f"{examples.truncated} texts cut at {data.length}",
            flush=True,
        )
        return examples
