"""What tasks share that learn from a source of examples."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from data.loader import EvalBatches, Share, Source, TrainBatches, Transform
from data.tokenizer import Tokenizer
from errors import InputError, pick
from tasks.task import Answer, Batch
from tasks.texts import SPLITS


@dataclass(frozen=True, eq=False)
class ExampleTask(ABC):
    """Batches drawn from a source; a task says which source, and how examples become a batch.

    What few tasks have stands here as nothing: names of classes, options of the head, starting values, samples, graded
    scores, files in an official scorer's format, and what chance adds to an example (`data.loader.Transform`): `drawn`
    to any, or `disturbed` in its place to one that is trained on. Few read rows of a mixture or hide words of their
    texts; of some no family of published models has the head, so that they cannot be exported.
    """

    config: Any
    tokenizer: Tokenizer
    directory: Path
    share: Share = field(default_factory=Share)  # of each batch that this process reads

    drawn: ClassVar[Transform | None] = None
    disturbed: ClassVar[Transform | None] = None
    graded_names: ClassVar[tuple[str, ...]] = ()
    classes: ClassVar[tuple[str, ...]] = ()
    in_pieces: ClassVar[bool] = False  # neighbouring examples are of one document: a few batches are the first ones
    takes_mixture: ClassVar[bool] = False
    hides_inputs: ClassVar[bool] = False
    takes_word_vectors: ClassVar[bool] = False
    exports: ClassVar[bool] = True

    def __post_init__(self):
        """Raises InputError for a config that the task can make nothing of, before anything is read."""
        config = self.config
        if config.data.mixture and not self.takes_mixture:
            raise InputError(f"data.mixture draws rows for masked_lm; {config.task} takes all of data.train")
        if config.model.word_vectors and not self.takes_word_vectors:
            raise InputError(
                f"model.word_vectors begins words of masked_lm and whole texts; leave it empty for {config.task}"
            )
        if config.masking.inputs and not self.hides_inputs:
            raise InputError(f"masking.inputs hides words of whole texts; leave it 0 for {config.task}")
        if config.mode == "export" and not self.exports:
            raise InputError(f"a run of {config.task} cannot be exported: its head is in none of the families' files")
        if config.mode == "talk" and not hasattr(self, "reply"):
            raise InputError(f"task={config.task!r} has no reply to a line; mode=talk is not for it")
        for section in ("evaluation", "prediction"):
            pick(dict.fromkeys(SPLITS), config[section].split, key=f"{section}.split")
        if config.prediction.top < 1:
            raise InputError(f"prediction.top={config.prediction.top} must be at least 1 answer")
        if config.train.loss_chunk < 0:
            raise InputError(f"train.loss_chunk={config.train.loss_chunk} must be at least 0")

    @abstractmethod
    def examples(self, split: str, *, labelled: bool = True) -> Source:
        """Those of a split, in the order of its file; without what is to be learnt if not `labelled`."""

    @abstractmethod
    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        """As `data.loader.Collate`."""

    @property
    def training_source(self) -> Source:
        return self.examples("train")

    @property
    def head(self) -> Mapping[str, Any]:
        return {}

    @property
    def rows(self) -> int:
        return 1

    @property
    def predicted(self) -> int:
        return 0

    def train_batch(self, step: int) -> Batch:
        return self._train_batches.at(step)

    def longest_batch(self) -> Batch:
        return self._train_batches.longest()

    def train_batches(self, step: int) -> Iterator[Batch]:
        self._train_batches.seek(step)
        return self._train_batches

    def evaluation_batches(self, split: str) -> Iterable[Batch]:
        most = self.config.evaluation.batches
        return self._passed_over(self.examples(split), self.share, longest_first=not most, at_most=most)

    def classes_of(self, directory: Path) -> tuple[str, ...]:
        return ()

    def initial_params(self) -> Mapping[str, np.ndarray]:
        return {}

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        return {}

    def samples(self, answer: Answer) -> list[str]:
        return []

    def rehearse(self, answer: Answer) -> None:
        return None

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        return {}

    def answered(
        self, answer: Answer, split: str, *, labelled: bool = True, longest_first: bool = False
    ) -> Iterator[tuple[Batch, Batch]]:
        """Each whole batch of a split with what `answer` says of it, the same on every process.

        Where `labelled`, at most `evaluation.batches` of them: for scores, not for predictions.
        """
        most = self.config.evaluation.batches if labelled else 0
        examples = self.examples(split) if labelled else self.examples(split, labelled=False)
        for batch in self._passed_over(examples, Share(), longest_first=longest_first, at_most=most):
            yield batch, answer(batch)

    def answered_rows(
        self, answer: Answer, split: str, *, labelled: bool = True, few: bool = False
    ) -> Iterator[tuple[int, Batch]]:
        """The number of each example with what `answer` says of it, a batch of one, in the order of the split.

        All are asked before the first is told, the longest first, so that little is padded; but where `few` are wanted,
        or scored (`evaluation.batches`), batch by batch.
        """
        whole = not few and not (labelled and self.config.evaluation.batches)
        rows = rows_of(self.answered(answer, split, labelled=labelled, longest_first=whole))
        yield from sorted(rows, key=itemgetter(0)) if whole else rows

    @cached_property
    def _train_batches(self) -> TrainBatches:
        return TrainBatches(
            self.training_source,
            seed=self.config.seed,
            batch_size=self.config.train.batch_size,
            accumulation=self.config.train.accumulation,
            ahead=self.config.data.read_ahead,
            share=self.share,
            length_groups=self.config.data.length_groups,
            **self._loading | {"transform": self.disturbed or self.drawn},
        )

    def _passed_over(self, source: Source, share: Share, *, rows: int = 0, **order: int) -> EvalBatches:
        """Whatever chance adds is the same for every run, so that losses of two runs can be compared.

        In batches of so many `rows`; 0 = as `evaluation.batch_size` says.
        """
        rows = rows or self.config.evaluation.batch_size
        return EvalBatches(source, batch_size=rows, share=share, first=self.in_pieces, **order, **self._loading)

    @property
    def _loading(self) -> dict[str, Any]:
        return {"transform": self.drawn, "collate": self.collate, "vocab_size": self.tokenizer.vocab_size}


def rows_of(answered: Iterable[tuple[Batch, Batch]]) -> Iterator[tuple[int, Batch]]:
    """The number of each real example with its answer, a batch of one."""
    for batch, found in answered:
        for row in np.flatnonzero(batch["example_weights"]):
            yield int(batch["index"][row]), {name: array[row : row + 1] for name, array in found.items()}


def labelled_identity(tokenizer: Tokenizer, examples: Any) -> dict[str, str]:
    """As `Task.identity`, of a source with `ids` and `labels`."""
    digest = hashlib.sha256(b"".join(examples.ids))
    digest.update(examples.labels.tobytes())
    return {"tokenizer": tokenizer.sha256, "training data": digest.hexdigest()}
