"""Answers with the sentences that support them, from several documents at once (Yang et al. 2018: HotpotQA).

python train.py --config=configs/question_answering.py:base,whole=4096,supports=True ...
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float

from data.reading import ReadingExamples
from data.records import Record
from data.supporting import PadSupporting, Sentence, SupportingExamples, sentences_of
from errors import InputError
from metrics.multi_hop import SCORES, Match, answer_match, multi_hop_scores, support_match
from tasks.question_answering import QuestionAnswering
from tasks.spans import Found, found_in_windows, joined, span_answers, span_totals
from tasks.task import Batch, Totals


@dataclass(frozen=True)
class Supported(Found):
    """`supports`: those of the document's `sentences` that were looked at, and the probability that each supports."""

    sentences: tuple[Sentence, ...]
    supports: tuple[tuple[Sentence, float], ...]
    least: float  # a sentence of a greater probability does

    @property
    def names(self) -> list[Any]:
        return [sentence.name for sentence, chance in self.supports if chance > self.least]

    def described(self, threshold: float, *, top: int) -> dict[str, Any]:
        return super().described(threshold, top=top) | {"supports": self.names}


class Told(NamedTuple):
    """float32 logits of the first and the last token of the answer, and of a sentence that supports it."""

    start_logits: Float[jax.Array, "B S"]
    end_logits: Float[jax.Array, "B S"]
    support_logits: Float[jax.Array, "B S"]


class MultiHop(QuestionAnswering):
    """As `QuestionAnswering`, and each sentence supports the answer or not, which its first token tells.

    A question's record lists its document's "sentences" (data/supporting.py). The loss of a row adds to that of its
    span the mean over its sentences. Graded as HotpotQA does it are the answer, the sentences, and both
    (metrics/multi_hop.py).
    """

    exports: ClassVar[bool] = False
    graded_names: ClassVar[tuple[str, ...]] = SCORES

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.config.prediction.support_threshold < 1:
            raise InputError(
                f"prediction.support_threshold={self.config.prediction.support_threshold} is not in [0, 1)"
            )

    @property
    def head(self) -> dict[str, Any]:
        return {"classes": len(Told._fields), "dropout_rate": 0.0}

    @property
    def identity(self) -> dict[str, Any]:
        known = super().identity
        supports = [[sentence.supports for sentence in these] for these in self.training_source.sentences]
        digest = hashlib.sha256(f"{known['training data']} {supports}".encode())
        return known | {"training data": digest.hexdigest()}

    @property
    def score_names(self) -> tuple[str, ...]:
        return (*super().score_names, "support_accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, "sentence_starts", "supports")

    def told(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> Told:
        return Told(*jnp.moveaxis(super().told(model, batch, rngs).logits, -1, 0))

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        told = self.told(model, batch, rngs)
        totals = span_totals(told, batch)
        starts, right = batch["sentence_starts"].astype(jnp.float32), batch["supports"].astype(jnp.float32)
        starts = starts * batch.get("example_weights", jnp.ones(len(starts), jnp.float32))[:, None]
        each = optax.sigmoid_binary_cross_entropy(told.support_logits, right) * starts
        mean = each.sum(1) / jnp.maximum(starts.sum(1), 1)
        hits = ((told.support_logits > 0) == (right > 0)) * starts
        sums = {"support_right": hits.sum(), "sentences": starts.sum()}
        return totals | {"loss": totals["loss"] + mean.sum()} | sums

    def scores(self, totals: Totals) -> dict[str, float]:
        right, all_ = float(totals["support_right"]), float(totals["sentences"])
        return super().scores(totals) | {"support_accuracy": right / all_ if all_ else 0.0}

    def baseline(self, split: str) -> dict[str, Any]:
        """The best trivial answer, and of supports each sentence."""
        examples = self.examples(split)
        names = [[n for n, each in enumerate(these) if each.supports] for these in examples.sentences]
        every = [
            support_match(range(len(these)), right) for these, right in zip(examples.sentences, names, strict=True)
        ]
        told = multi_hop_scores((each, each) for each in every)
        answers = super().baseline(split)
        supports = {name: told[name] for name in ("support_exact_match", "support_f1")}
        return answers | {"name": f"{answers['name']}; every sentence"} | supports

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        prediction = self.config.prediction
        told = self.told(model, batch, None)
        spans = span_answers(told, batch, longest=prediction.max_answer, count=prediction.top)
        return spans | {"supports": jax.nn.sigmoid(told.support_logits)}

    def found_of(self, examples: ReadingExamples, rows: Sequence[int], parts: Sequence[Batch]) -> Found:
        spans = [{name: x for name, x in part.items() if name != "supports"} for part in parts]
        found = found_in_windows(examples, rows, joined(spans))
        question, told = examples.windows[rows[0]].question, []
        for row, chances in zip(rows, (chance for part in parts for chance in part["supports"]), strict=True):
            window = examples.windows[row]
            numbers, places = examples.looked_at(window)
            told += [
                (examples.sentences[question][n], float(chances[place]))
                for n, place in zip(numbers, places, strict=True)
            ]
        given = {"sentences": examples.sentences[question], "supports": tuple(told)}
        least = self.config.prediction.support_threshold
        return Supported(found.question, found.candidates, found.no_answer, **given, least=least)

    def more_scores(self, found: Sequence[Found], threshold: float) -> dict[str, float]:
        return multi_hop_scores(_matches(each, threshold) for each in found)

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Also .hotpot.json, what HotpotQA's script reads: answers, and the names of the sentences."""
        both = {
            "answer": {line["id"]: line["answer"] for line in predictions},
            "sp": {line["id"]: line["supports"] for line in predictions},
        }
        return super().written(predictions) | {".hotpot.json": json.dumps(both, ensure_ascii=False) + "\n"}

    def extended(self, examples: ReadingExamples, records: Sequence[Record], *, labelled: bool) -> SupportingExamples:
        return SupportingExamples.of(examples, sentences_of(records, examples.questions, labelled=labelled))

    @cached_property
    def collate(self) -> PadSupporting:
        base = super().collate
        return PadSupporting(**{field.name: getattr(base, field.name) for field in dataclasses.fields(base)})


def _matches(found: Supported, threshold: float) -> tuple[Match, Match]:
    """The answer with the one of those marked that fits it best, and the sentences."""
    said = found.text(threshold)
    answers = [answer_match(said, right) for right in found.question.answer_texts or ("",)]
    right = [sentence.place for sentence in found.sentences if sentence.supports]
    told = [sentence.place for sentence, chance in found.supports if chance > found.least]
    return max(answers, key=lambda match: (match.f1, match.exact)), support_match(told, right)
