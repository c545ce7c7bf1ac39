"""What the training engine asks of a task. The loop knows this protocol and nothing else of the work it does."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx

Batch = dict[str, np.ndarray]
"""One batch on the host: every array has the examples on its first axis."""

Totals = dict[str, Any]
"""Sums over examples; totals of two batches are added entry by entry. Always holds "loss" and "weight"."""

Answer = Callable[[Batch], dict[str, np.ndarray]]
"""Runs `Task.answers` on the model at hand, on the device; the batch is whole, whatever part a process trains on."""


CLASSES, LABELS = "classes.json", "labels.json"
FOUND = (CLASSES, LABELS)
"""Files of a work directory with what tasks found in the training split: with a checkpoint they are the run's."""


class Task(Protocol):
    """A task joins batches, a model, a loss and scores. Implementations are frozen dataclasses."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a resumed run must find unchanged, by name: digests of the tokenizer and of the training data."""

    @property
    def tokenizer(self) -> Any:
        """What makes ids of its texts (data/tokenizer.py)."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names that `scores` gives, in its order; "loss" is one."""

    @property
    def graded_names(self) -> tuple[str, ...]:
        """Names that `graded` gives; often none."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what the model tells apart, in the order of its outputs; often none."""

    def classes_of(self, directory: Path) -> tuple[str, ...]:
        """`classes` of the model in another run's directory or a published one's; () = it does not say."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the arrays that the device needs; a batch may hold others, for the host."""

    @property
    def rows(self) -> int:
        """Rows of the net's input that stand for one training example; mostly 1."""

    @property
    def predicted(self) -> int:
        """Places of a row whose logits over the vocabulary the loss needs; 0 = none."""

    def train_batch(self, step: int) -> Batch:
        """This process's part of the global batch of optimizer step `step` (0 = first); a pure function of `step`."""

    def longest_batch(self) -> Batch:
        """As `train_batch(0)`, in the largest shape that a batch of any step has."""

    def train_batches(self, step: int) -> Iterator[Batch]:
        """The batches of steps `step`, `step + 1`, ..., prepared ahead; never ends."""

    def evaluation_batches(self, split: str) -> Iterable[Batch]:
        """One pass over a split, or over `evaluation.batches` of its batches; examples that only fill the last batch
        carry no weight.
        """

    def initial_params(self) -> Mapping[str, np.ndarray]:
        """Starting values that the data suggests, by parameter path; the rest start as the model draws them."""

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        """Sums, never means, so that micro-batches, devices and ragged last batches add up exactly.

        `totals["loss"]` is differentiated and divided by `totals["weight"]`. `rngs=None` turns dropout off.
        """

    def scores(self, totals: Totals) -> dict[str, float]:
        """The numbers that people read, from the totals of a split or of some steps."""

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        """Scores of whole answers, by the field's own scorer: what no sum over examples tells, such as BLEU.

        Of at most `evaluation.batches` batches, as the others.
        """

    def baseline(self, split: str) -> dict[str, float]:
        """Scores that a model which ignores its input would reach: the chance level to print beside each result."""

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """What the model says of each example of a batch."""

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        """One JSON object for each example of a split, in its order."""

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """All predictions in the form that an official scorer reads: text by a file's suffix, such as ".txt"."""

    def rehearse(self, answer: Answer) -> None:
        """Asks `answer` for each shape of batch that `reply` is likely to need, so that no person waits for it."""

    def reply(self, answer: Answer, line: str) -> str:
        """What the model says to a line that a person wrote. A task without it refuses mode=talk when it is made."""

    def samples(self, answer: Answer) -> list[str]:
        """A few lines that let a person see what the model has learned."""
