"""What tasks share whose examples are pairs of texts: one to read, one to write."""

from functools import cache
from typing import Any

import numpy as np

from data.pairs import PairExamples, pair_examples
from errors import InputError
from metrics import perplexity
from tasks.texts import read_split
from tasks.writing import Writing, digest


class Pairs(Writing):
    """Read `data.text`, write `data.target`; with `data.text_pair` a question is put before the text."""

    def __post_init__(self):
        if not self.config.data.target:
            raise InputError(f"task={self.config.task} needs data.target, the field that holds the text to write")
        super().__post_init__()

    @property
    def identity(self) -> dict[str, Any]:
        pairs = self.examples("train")
        return {"tokenizer": self.tokenizer.sha256, "training data": digest((*pairs.sources, *pairs.targets))}

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> PairExamples:
        data = self.config.data
        target = data.target if labelled else ""
        examples = pair_examples(
            read_split(data, split, fields=tuple(f for f in (data.text_pair, data.text, target) if f)),
            self.tokenizer,
            self.form,
            text=data.text,
            question=data.text_pair,
            target=target,
            keep_empty=split != "train",
        )
        print(f"{split}: {examples}", flush=True)
        return examples

    def baseline(self, split: str) -> dict[str, Any]:
        """The unigram distribution of what is written in training, and always its most frequent token."""
        train, there = (self._counts(each) for each in ("train", split))
        chances = (train + 1.0) / (train + 1.0).sum()
        nats = float(-(there * np.log(chances)).sum() / there.sum())
        accuracy = float(there[train.argmax()] / there.sum())
        return {"name": "unigram", "perplexity": perplexity(nats), "accuracy": accuracy}

    def _counts(self, split: str) -> np.ndarray:
        return np.bincount(np.concatenate(self.examples(split).targets), minlength=self.tokenizer.vocab_size)
