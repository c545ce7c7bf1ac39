"""Classes that no one trained, told by a model of entailment (Yin et al. 2019, section 4.3).

python train.py --config=configs/glue.py:mnli --config.task=zero_shot --config.mode=evaluate \
        --config.init_from=runs/glue_mnli --config.workdir=runs/topics --config.data.source=files \
        --config.data.test=news.jsonl --config.evaluation.split=test --config.data.text=text \
        --config.data.text_pair= --config.data.classes="('sports', 'politics')"
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from data.classification import ClassificationExamples, classification_examples
from data.records import Record
from data.side_by_side import SideBySide
from errors import InputError
from metrics import majority_baseline
from tasks.class_names import classes_there
from tasks.classification import Classification
from tasks.inputs import encoder_inputs, pad_rows
from tasks.task import Batch

SLOT = "{}"
ENTAILMENT = "entailment"


class ZeroShot(Classification):
    """The class whose hypothesis a text entails with the greatest probability; nothing is trained.

    The model is that of a classification run on pairs, one of whose classes is "entailment"; a text is the first of the
    pair and `data.hypothesis`, with a class's name in it, the second. Probabilities of entailment are divided by their
    sum over the classes; the loss is of that distribution.
    """

    def __post_init__(self):
        data = self.config.data
        if self.config.mode not in ("evaluate", "predict", "talk") or not self.config.init_from:
            raise InputError(
                "zero_shot trains nothing: set mode=evaluate, predict or talk, and init_from to an entailment run"
            )
        if not data.classes:
            raise InputError(
                "data.classes must name the candidates, since zero_shot has no training split to find them"
            )
        if data.hypothesis.count(SLOT) != 1:
            raise InputError(f"data.hypothesis={data.hypothesis!r} must hold {SLOT} once, where a class's name goes")
        if data.text_pair or data.outside:
            raise InputError(
                "zero_shot reads single texts of named classes: leave data.text_pair and data.outside empty"
            )
        super().__post_init__()
        self._entailment  # noqa: B018  (a run of another kind is refused now)

    @property
    def head(self) -> dict[str, Any]:
        return super().head | {"classes": len(self._trained)}

    @cached_property
    def _trained(self) -> tuple[str, ...]:
        """The classes of the entailment model."""
        directory = Path(self.config.init_from)
        if names := classes_there(directory):
            return names
        raise InputError(f"{directory} does not say which classes its model tells apart; give a classifier")

    def classes_of(self, directory: Path) -> tuple[str, ...]:
        return ()  # those of the entailment model, which are not this task's

    @cached_property
    def _entailment(self) -> int:
        names = [name.lower() for name in self._trained]
        if names.count(ENTAILMENT) != 1:
            raise InputError(f"{self.config.init_from} tells {', '.join(names)} apart, of which none is {ENTAILMENT!r}")
        return names.index(ENTAILMENT)

    def baseline(self, split: str) -> dict[str, Any]:
        """Always answering the most frequent class of the split itself: there is no other."""
        there = self.examples(split).labels
        confusion = majority_baseline(there, there, len(self.classes))
        return {"name": "commonest class"} | self._confusion_scores(confusion)

    def logits(self, model: nnx.Module, batch: dict[str, jax.Array], rngs: nnx.Rngs | None) -> Float[jax.Array, "B C"]:
        """Logarithms of the probabilities of entailment."""
        texts, classes = batch["input_ids"].shape[:2]
        inputs = {name: x.reshape(texts * classes, -1) for name, x in encoder_inputs(batch).items()}  # [B*C S]
        ids = batch["input_ids"].reshape(texts * classes, -1)
        told = jax.nn.log_softmax(model(ids, rngs=rngs, **inputs).logits)
        return jnp.reshape(told[:, self._entailment], (texts, classes))

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        return pad_rows(self.padded, examples, longest)

    def examples_of(self, records: Sequence[Record], *, labelled: bool) -> SideBySide:
        return SideBySide(tuple(self._hypothesis(records, name, labelled=labelled) for name in self.classes))

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> SideBySide:
        found = self.examples_of(self._records(split, labelled=labelled), labelled=labelled)
        print(
            f"{split}: {len(found)} texts with {len(self.classes)} hypotheses, "
            f"{found.truncated} rows cut at {self.config.data.length}",
            flush=True,
        )
        return found

    def _hypothesis(self, records: Sequence[Record], name: str, *, labelled: bool) -> ClassificationExamples:
        data, told = self.config.data, self.config.data.hypothesis.replace(SLOT, name)
        pairs = [replace(record, values=record.values | {"hypothesis of the class": told}) for record in records]
        return classification_examples(
            pairs,
            self.tokenizer,
            length=data.length,
            classes=self.classes,
            text=data.text,
            pair="hypothesis of the class",
            label=data.label if labelled else None,
        )
