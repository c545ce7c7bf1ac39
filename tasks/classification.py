"""Sequence classification of one text or a pair, from one vector of it (Devlin et al. 2018, section 4.1)."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from errors import InputError
from metrics import (
    best_threshold,
    binary_f1,
    confusion_accuracy,
    in_scope_accuracy,
    macro_f1,
    majority_baseline,
    matthews_correlation,
    out_of_scope_recall,
)
from ops.losses import cross_entropy_sums
from tasks.class_names import class_names, classes_there
from tasks.task import Answer, Totals
from tasks.whole_texts import WholeTexts

OUTSIDE = ("in_scope_accuracy", "out_of_scope_recall")


class Classification(WholeTexts):
    """One class for each example. Scores come from confusion counts; F1 is that of class 1 of two, else macro F1.

    With `data.outside`, the class of what belongs to none of the others: it is learnt from its examples as any class
    is. `evaluation.outside_threshold` also answers it where the model is unsure, below the probability that gives the
    most right answers on the validation split, found anew with the weights at hand (Larson et al. 2019, section 3).
    """

    def __post_init__(self):
        super().__post_init__()
        if self.config.evaluation.outside_threshold and not self.config.data.outside:
            raise InputError("evaluation.outside_threshold answers data.outside, which is empty: name a class there")
        self.classes  # noqa: B018  (what is wrong with them is told now)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return class_names(self.config, self.directory, lambda: self._records("train"))

    def classes_of(self, directory: Path) -> tuple[str, ...]:
        return classes_there(directory)

    @property
    def identity(self) -> dict[str, Any]:
        """Classes that were found in the data belong to it; those that the config names are the config's."""
        return super().identity | ({} if self.config.data.classes else {"classes": ", ".join(self.classes)})

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "accuracy", "f1", "matthews", *(OUTSIDE if self.config.data.outside else ()))

    @property
    def graded_names(self) -> tuple[str, ...]:
        names = ("threshold", *(f"thresholded_{name}" for name in OUTSIDE))
        return names if self._thresholded else ()

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        logits, labels = self.logits(model, batch, rngs), batch["labels"]
        weights = batch.get("example_weights", jnp.ones(labels.shape, jnp.float32))
        loss, weight = cross_entropy_sums(logits, labels, weights)
        classes = logits.shape[-1]
        cell = labels * classes + logits.argmax(-1)  # [B], which entry of confusion[true, predicted] it falls into
        confusion = jnp.zeros(classes * classes, jnp.float32).at[cell].add(weights)
        return {"loss": loss, "weight": weight, "confusion": confusion.reshape(classes, classes)}

    def scores(self, totals: Totals) -> dict[str, float]:
        loss = float(totals["loss"]) / float(totals["weight"])
        return {"loss": loss} | self._confusion_scores(np.asarray(totals["confusion"]))

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        if not self._thresholded:
            return {}
        threshold, outside = self._threshold(answer), self._outside
        labels, probabilities = self._told(answer, split)
        confusion = np.zeros((len(self.classes),) * 2)
        np.add.at(confusion, (labels, _answered(probabilities, outside, threshold)), 1)
        found = (threshold, in_scope_accuracy(confusion, outside), out_of_scope_recall(confusion, outside))
        return dict(zip(self.graded_names, found, strict=True))

    def baseline(self, split: str) -> dict[str, Any]:
        """Always answering the most frequent class of the training split."""
        train, there = self.examples("train").labels, self.examples(split).labels
        confusion = majority_baseline(train, there, len(self.classes))
        scores = self._confusion_scores(confusion)
        told = {f"thresholded_{name}": scores[name] for name in OUTSIDE} if self._thresholded else {}
        return {"name": "majority class"} | scores | told

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {"probabilities": jax.nn.softmax(self.logits(model, batch, None))}

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        self.examples(split, labelled=False)  # what is wrong there is told before validation is answered
        classes, named = self.classes, self._named(split)
        threshold = self._threshold(answer) if self._thresholded else 0.0
        for number, found in self.answered_rows(answer, split, labelled=False):
            (told,) = _answered(found["probabilities"], self._outside, threshold)
            chances = zip(classes, found["probabilities"][0], strict=True)
            yield named[number] | {
                "label": classes[int(told)],
                "probabilities": {name: round(float(p), 6) for name, p in chances},
            }

    def rehearse(self, answer: Answer) -> None:
        super().rehearse(answer)
        if self._thresholded:
            self._threshold(answer)

    def reply(self, answer: Answer, line: str) -> str:
        """The class that is told, and the likeliest others."""
        (told,) = probabilities = self.told_of(answer, line)["probabilities"]
        (best,) = _answered(probabilities, self._outside, self._threshold(answer) if self._thresholded else 0.0)
        others = [n for n in np.argsort(-told, kind="stable") if n != best][: self.config.prediction.top - 1]
        then = [f"{self.classes[n]} {told[n]:.3f}" for n in others]
        return "; ".join([f"{self.classes[best]} (probability {told[best]:.3f})", *then])

    @property
    def _thresholded(self) -> bool:
        return self.config.evaluation.outside_threshold

    @property
    def _outside(self) -> int:
        return self.classes.index(self.config.data.outside) if self.config.data.outside else 0

    @cache  # noqa: B019  (a task lives as long as its process)
    def _threshold(self, answer: Answer) -> float:
        labels, probabilities = self._told(answer, "validation")
        right = probabilities.argmax(-1) == labels
        return best_threshold(_confidence(probabilities, self._outside), right, labels == self._outside)

    def _told(self, answer: Answer, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The labels [N] of a split and the probabilities [N C] that the model gives."""
        numbers, found = zip(*self.answered_rows(answer, split), strict=True)
        labels = self.examples(split).labels[np.asarray(numbers)]
        return labels, np.concatenate([each["probabilities"] for each in found])

    def _confusion_scores(self, confusion: np.ndarray) -> dict[str, float]:
        f1 = binary_f1(confusion) if len(confusion) == 2 else macro_f1(confusion)
        scores = {"accuracy": confusion_accuracy(confusion), "f1": f1, "matthews": matthews_correlation(confusion)}
        if not self.config.data.outside:
            return scores
        found = (in_scope_accuracy(confusion, self._outside), out_of_scope_recall(confusion, self._outside))
        return scores | dict(zip(OUTSIDE, found, strict=True))


def _confidence(probabilities: np.ndarray, outside: int) -> np.ndarray:
    """The probability of each answer; 0 where it already is `outside`, which no threshold changes.

    float64, as the threshold is: in float32 one that lies between two neighbours would be one of them.
    """
    return np.where(probabilities.argmax(-1) == outside, 0.0, probabilities.max(-1).astype(np.float64))


def _answered(probabilities: np.ndarray, outside: int, threshold: float) -> np.ndarray:
    return np.where(_confidence(probabilities, outside) < threshold, outside, probabilities.argmax(-1))
