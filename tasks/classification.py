"""Sequence classification of one text or a pair, from the first token's vector (Devlin et al. 2018, section 4.1)."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from data.classification import ClassificationExamples, PadTo, classification_examples
from errors import InputError
from metrics import binary_f1, confusion_accuracy, macro_f1, majority_baseline
from ops.losses import cross_entropy_sums
from tasks.examples import ExampleTask
from tasks.inputs import check_global_tokens, encoder_inputs
from tasks.task import Answer, Totals
from tasks.texts import read_split


@dataclass(frozen=True, eq=False)
class Classification(ExampleTask):
    """One class for each example. Scores come from confusion counts; F1 is that of class 1 of two, else macro F1."""

    def __post_init__(self):
        check_global_tokens(self.config.data.global_tokens)
        if self.config.data.mixture:
            raise InputError("data.mixture draws rows for masked_lm; classification takes all of data.train")
        if len(set(self.config.data.classes)) < 2:
            raise InputError("data.classes must name at least two different classes, as in ('negative', 'positive')")

    @property
    def head(self) -> dict[str, Any]:
        return {"classes": len(self.config.data.classes), "dropout_rate": self.config.model.dropout_rate}

    @property
    def identity(self) -> dict[str, Any]:
        digest = hashlib.sha256(b"".join(self.examples("train").ids))
        digest.update(self.examples("train").labels.tobytes())
        return {"tokenizer": self.tokenizer.sha256, "training data": digest.hexdigest()}

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "accuracy", "f1")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("input_ids", "attention_mask", "token_type_ids", "global_attention_mask", "labels", "example_weights")

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        logits, labels = self._logits(model, batch, rngs), batch["labels"]
        weights = batch.get("example_weights", jnp.ones(labels.shape, jnp.float32))
        loss, weight = cross_entropy_sums(logits, labels, weights)
        classes = logits.shape[-1]
        cell = labels * classes + logits.argmax(-1)  # [B], which entry of confusion[true, predicted] it falls into
        confusion = jnp.zeros(classes * classes, jnp.float32).at[cell].add(weights)
        return {"loss": loss, "weight": weight, "confusion": confusion.reshape(classes, classes)}

    def scores(self, totals: Totals) -> dict[str, float]:
        return {"loss": float(totals["loss"]) / float(totals["weight"])} | _confusion_scores(
            np.asarray(totals["confusion"])
        )

    def baseline(self, split: str) -> dict[str, Any]:
        """Always answering the most frequent class of the training split."""
        train, there = self.examples("train").labels, self.examples(split).labels
        confusion = majority_baseline(train, there, len(self.config.data.classes))
        return {"name": "majority class"} | _confusion_scores(confusion)

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {"probabilities": jax.nn.softmax(self._logits(model, batch, None))}

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        classes, origins = self.config.data.classes, self.examples(split, labelled=False).origins
        for batch, found in self.answered(answer, split, labelled=False):
            for row in np.flatnonzero(batch["example_weights"]):
                chances = found["probabilities"][row]
                yield {
                    "origin": origins[batch["index"][row]],
                    "label": classes[int(chances.argmax())],
                    "probabilities": {name: round(float(p), 6) for name, p in zip(classes, chances, strict=True)},
                }

    def _logits(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> jax.Array:
        return model(batch["input_ids"], rngs=rngs, **encoder_inputs(batch)).logits

    @cached_property
    def collate(self) -> PadTo:
        data = self.config.data
        lengths = (*sorted(length for length in data.buckets if length < data.length), data.length)
        first = self.config.model.name == "longformer" and data.global_tokens == "first"
        return PadTo(lengths, self.tokenizer.pad_id, global_first=first)

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> ClassificationExamples:
        data = self.config.data
        fields = tuple(f for f in (data.text, data.text_pair, data.label if labelled else "") if f)
        examples = classification_examples(
            read_split(data, split, fields=fields),
            self.tokenizer,
            length=data.length,
            classes=data.classes,
            text=data.text,
            pair=data.text_pair or None,
            label=data.label if labelled else None,
        )
        print(
            f"{split}: {len(examples)} examples, median {int(np.median(examples.lengths))} tokens, "
            f"{examples.truncated} cut at {data.length}",
            flush=True,
        )
        return examples


def _confusion_scores(confusion: np.ndarray) -> dict[str, float]:
    f1 = binary_f1(confusion) if len(confusion) == 2 else macro_f1(confusion)
    return {"accuracy": confusion_accuracy(confusion), "f1": f1}
