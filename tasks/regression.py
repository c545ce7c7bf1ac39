"""A number for one text or a pair, such as how alike two sentences are (Devlin et al. 2018, section 4.1: STS-B)."""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from errors import InputError
from metrics import pearson, spearman
from tasks.task import Answer, Totals
from tasks.whole_texts import WholeTexts

MOMENTS = ("told", "true", "told_told", "true_true", "told_true")


class Regression(WholeTexts):
    """One number for each example, in the unit of its label; the loss is the mean squared error.

    While training "pearson" comes from sums in float32; graded, from all answers at once in float64: exactly 0 where
    they never vary, and right for labels far from the training ones.

    The output starts at the mean of the training labels. Labels of a spread far from 1 want to be scaled: the rate of
    learning knows nothing of their unit.
    """

    classes: ClassVar[tuple[str, ...]] = ()
    score_names: ClassVar[tuple[str, ...]] = ("loss", "pearson")
    graded_names: ClassVar[tuple[str, ...]] = ("pearson", "spearman")  # the first also from sums

    def __post_init__(self):
        super().__post_init__()
        if self.config.data.classes or self.config.data.outside:
            raise InputError("regression tells a number: leave data.classes and data.outside empty")

    def initial_params(self) -> dict[str, np.ndarray]:
        return super().initial_params() | {"head.output.bias": np.asarray([self._mean], np.float32)}

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        """The correlation's sums are of differences from a fixed number, lest large ones cancel in float32."""
        told = self.logits(model, batch, rngs)[:, 0] - self._offset
        true = batch["labels"] - self._offset
        weights = batch.get("example_weights", jnp.ones(true.shape, jnp.float32))
        each = dict(zip(MOMENTS, (told, true, told**2, true**2, told * true), strict=True))
        moments = {name: (weights * value).sum() for name, value in each.items()}
        return {"loss": (weights * (told - true) ** 2).sum(), "weight": weights.sum()} | moments

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        at = {name: float(totals[name]) / weight for name in ("loss", *MOMENTS)}
        spreads = (at["told_told"] - at["told"] ** 2) * (at["true_true"] - at["true"] ** 2)
        together = at["told_true"] - at["told"] * at["true"]
        return {"loss": at["loss"], "pearson": together / spreads**0.5 if spreads > 0 else 0.0}

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        labels = self.examples(split).labels
        pairs = [(found["numbers"][0], labels[number]) for number, found in self.answered_rows(answer, split)]
        told, true = (np.asarray(each, float) for each in zip(*pairs, strict=True))
        found = {"pearson": pearson(told, true), "spearman": spearman(told, true)}
        return {name: 0.0 if math.isnan(value) else value for name, value in found.items()}  # none of what never varies

    def baseline(self, split: str) -> dict[str, Any]:
        """Always answering the mean of the training labels; what never varies has no correlation."""
        there = self.examples(split).labels.astype(float)
        loss = float(np.mean((there - self._mean) ** 2))
        return {"name": "mean label", "loss": loss, "pearson": 0.0, "spearman": 0.0}

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {"numbers": self.logits(model, batch, None)[:, 0]}

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        named = self._named(split)
        for number, found in self.answered_rows(answer, split, labelled=False):
            yield named[number] | {"number": float(found["numbers"][0])}

    def reply(self, answer: Answer, line: str) -> str:
        return f"{float(self.told_of(answer, line)['numbers'][0]):.4g}"

    @property
    def _offset(self) -> float:
        return self._mean if self.config.data.train else 0.0

    @cached_property
    def _mean(self) -> float:
        return float(self.examples("train").labels.mean(dtype=float))
