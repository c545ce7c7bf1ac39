"""What tasks share that pretrain an encoder-decoder: plain text is spoilt, and written again."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.corruption import RowTexts
from data.packing import tokenize_and_pack
from data.unigram import token_counts, unigram_nats
from errors import InputError
from metrics import perplexity
from tasks.inputs import check_no_buckets
from tasks.task import Answer, Batch
from tasks.texts import read_split, vocab_rows
from tasks.writing import Writing, digest


class Restoring(Writing):
    """Rows of whole sentences, spoilt anew each time they are read; `masking.rate` of their tokens are hidden."""

    def __post_init__(self):
        masking = self.config.masking
        if not 0 < masking.rate < 1:
            raise InputError(f"masking.rate={masking.rate} must lie between 0 and 1")
        if masking.mean_span < 1:
            raise InputError(f"masking.mean_span={masking.mean_span} must be at least 1 token")
        super().__post_init__()
        check_no_buckets(self.config)

    @abstractmethod
    def spoilt(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What is read, and what is written, neither with special tokens around it."""

    @property
    @abstractmethod
    def text_length(self) -> int:
        """Most tokens of text in a row, so that both sides fit."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.sha256, "training data": digest([self.examples("train").rows.tokens])}

    def drawn(self, example: Batch, rng: np.random.Generator) -> Batch:
        read, written = self.spoilt(example["ids"], rng)
        form, end = self.form, [self.tokenizer.sep_id]
        return {
            "input_ids": np.concatenate([form.before_source(self.tokenizer), read, end]).astype(np.int32),
            "target_ids": np.concatenate([form.before_target(self.tokenizer), written, end]).astype(np.int32),
            "question": 0,
            "index": example["index"],
        }

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> RowTexts:
        data = self.config.data
        texts = [record.text(data.text) for record in read_split(data, split, fields=(data.text,))]
        cached = {"cache_dir": data.cache or self.directory / "rows"}
        length = self.text_length + 1  # the packer begins each row with a special token
        rows = tokenize_and_pack(texts, self.tokenizer, length=length, mode=data.packing, **cached)
        print(f"{split}: {rows}", flush=True)
        return RowTexts(rows, self.tokenizer.special_ids)

    def baseline(self, split: str) -> dict[str, Any]:
        """The unigram distribution of the training text, special tokens left out."""
        how = {"special_ids": self.tokenizer.special_ids}
        size = self.tokenizer.vocab_size
        train, there = (token_counts(self.examples(each).rows, size, **how) for each in ("train", split))
        nats = unigram_nats(train, there, **how)
        return {
            "name": "unigram",
            "perplexity": perplexity(nats),
            "accuracy": float(there[train.argmax()] / there.sum()),
        }

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        raise InputError(f"task={self.config.task} pretrains and answers nothing: choose mode=train or mode=evaluate")

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        raise InputError(f"task={self.config.task} pretrains and predicts nothing: choose mode=train or mode=evaluate")

    @cached_property
    def rows_of_words(self) -> int:
        return vocab_rows(self.config, self.tokenizer)

    @property
    def _loading(self) -> dict[str, Any]:
        return super()._loading | {"vocab_size": self.rows_of_words}
