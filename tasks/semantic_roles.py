"""Semantic role labelling: who did what to whom. Given a sentence, its predicates; given a predicate, its arguments.

One net and one head do both. An example with a marked predicate has a tag for each word's role. An example without a
mark has V at each predicate: that is how predicates are found in plain text. The predicate is marked by its token type,
as in He et al. 2017, section 2, and not by being repeated after the sentence (Shi and Lin 2019, section 3): a word that
stands twice in a sentence stays clear, and a small net need not learn first to look the word up. A net with 12 token
types or more is also told how far each word is from the predicate (`data.semantic_roles.token_types`). Where a net has
fewer than two, as RoBERTa, the predicate stands between two separators (Baldini Soares et al. 2019, section 3.2).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from data.conll import conll_text
from data.loader import Share, stack
from data.records import Record
from data.semantic_roles import PackedRoles, PadRoles, RoleExamples, role_examples
from data.sentences import Sentence, labels_of, sentences_of, unknown_spans
from errors import InputError
from metrics.srl import Counts, count_arguments
from ops.bio import best_tags
from ops.losses import correct_sums, cross_entropy_sums
from tasks.examples import ExampleTask
from tasks.inputs import batch_lengths, encoder_inputs
from tasks.role_answers import (
    Found,
    NextWords,
    Spans,
    as_columns,
    as_predicates,
    bracketed,
    end_to_end_counts,
    frames,
    gathered,
    predicate_counts,
    role_counts,
    whole_sentences,
    without_given,
)
from tasks.task import LABELS, Answer, Batch, Totals
from tasks.texts import read_split
from whole_files import read_json, write_json

SAMPLES, SAMPLE_WORDS = 3, 16  # sentences shown at the end of training, each of fewer words
REPLY_ROWS = 8  # in a batch of what is asked about a typed line


class SemanticRoles(ExampleTask):
    """A tag for each word. Training rows hold several examples (`data.semantic_roles.PackedRoles`).

    Labels are those of the run's labels.json, else of init_from's, else of the training split. Graded scores are
    percentages over arguments, as srl-eval.pl counts them (metrics/srl.py): "precision", "recall" and "f1" with the
    given predicates; "predicate_f1" of finding them; "end_to_end_f1" of arguments with the predicates found.
    """

    graded_names: ClassVar[tuple[str, ...]] = ("precision", "recall", "f1", "predicate_f1", "end_to_end_f1")

    def __post_init__(self):
        super().__post_init__()
        config = self.config
        if config.model.name == "longformer" and config.data.global_tokens != "none":
            raise InputError("semantic_roles puts several sentences into a row: set data.global_tokens='none'")

    @property
    def head(self) -> dict[str, Any]:
        return {"classes": len(self.classes), "dropout_rate": self.config.model.dropout_rate}

    @property
    def classes(self) -> tuple[str, ...]:
        """The tags, as `ops.bio` counts them."""
        return ("O", *(f"{part}-{label}" for label in self.labels for part in "BI"))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        own, given = self.directory / LABELS, self.config.init_from and Path(self.config.init_from) / LABELS
        labels = _read_labels(own) or (given and _read_labels(given))
        labels = tuple(labels or labels_of(self._sentences("train", labelled=True)))
        if "V" not in labels or len(set(labels)) < len(labels):
            raise InputError(f"the labels {', '.join(labels)} should each be there once, and V (the predicate) be one")
        if not own.exists():
            write_json(own, labels, indent=None)
        return labels

    @property
    def identity(self) -> dict[str, Any]:
        examples = self.examples("train")
        digest = hashlib.sha256(b"".join(examples.ids))
        digest.update(repr([(s.predicates, s.spans) for s in examples.sentences]).encode())
        return {
            "tokenizer": self.tokenizer.sha256,
            "training data": digest.hexdigest(),
            "labels": hashlib.sha256(repr(self.labels).encode()).hexdigest(),
        }

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        shown = ("input_ids", "attention_mask", "segment_ids", "position_ids", "token_type_ids")
        return (*shown, "word_starts", "marks", "labels", "label_weights")

    @cached_property
    def training_source(self) -> PackedRoles:
        rows = PackedRoles(
            self.examples("train"),
            length=self.config.data.length,
            pad_id=self.tokenizer.pad_id,
            seed=self.config.seed,
            first_place=self.config.model.padding_place + 1,
        )
        print(f"train: {len(rows)} rows of {rows.length} tokens, {rows.fill:.1%} full", flush=True)
        return rows

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        logits, labels, weights = self._logits(model, batch, rngs), batch["labels"], batch["label_weights"]
        loss, weight = cross_entropy_sums(logits, labels, weights)
        correct, _ = correct_sums(logits, labels, weights)
        return {"loss": loss, "weight": weight, "correct": correct}

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        return {"loss": float(totals["loss"]) / weight, "accuracy": float(totals["correct"]) / weight}

    def baseline(self, split: str) -> dict[str, Any]:
        """A rule that looks at no word, with the given predicates: `tasks.role_answers.NextWords`."""
        rule = NextWords.learned(self._sentences("train", labelled=True))
        total = Counts()
        for sentence in self._sentences(split, labelled=True):
            for predicate, spans in zip(sentence.predicates, sentence.spans, strict=True):
                total += count_arguments(rule(sentence, predicate["index"]), spans)
        name = f"the word before is {rule.before}, those after it {rule.after}"
        return {"name": name, "precision": total.precision, "recall": total.recall, "f1": total.f1}

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The best tags that follow the rules: with a mark, V begins at the marked word alone; without one, there is
        nothing but single words V.
        """
        counted = batch["word_starts"] != 0
        here = (batch["marks"] != 0) & counted  # [B S]
        marked = here.any(axis=1)[:, None, None]
        tags = jnp.arange(1 + 2 * len(self.labels))[None, None]
        is_v = tags == 1 + 2 * self.labels.index("V")
        allowed = jnp.where(marked, here[:, :, None] == is_v, is_v | (tags == 0))  # [B S C]
        logits = self._logits(model, batch, None)
        return {"tags": best_tags(jnp.where(allowed, logits, -1e9), counted)}

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        examples = self.examples(split)
        sentences = examples.sentences
        found = gathered(self.answered(answer, split), examples, self.labels)
        given, whole = role_counts(found, sentences), whole_sentences(found, sentences)
        others = [replace(s, predicates=without_given(found, sentences, n)) for n, s in enumerate(sentences)]
        extra = self._asked(answer, others, unmarked=False)
        return {
            "precision": given.precision,
            "recall": given.recall,
            "f1": given.f1,
            "predicate_f1": predicate_counts(found, sentences, whole).f1,
            "end_to_end_f1": end_to_end_counts(found, extra, sentences, whole).f1,
        }

    def samples(self, answer: Answer) -> list[str]:
        """The roles of each predicate of a few sentences."""
        some = [s for s in self._sentences("validation", labelled=True) if s.predicates and len(s.words) < SAMPLE_WORDS]
        some = some[:SAMPLES]
        roles = self._asked(answer, some, unmarked=False).roles
        return [bracketed(some[n], spans) for (n, _), spans in sorted(roles.items())]

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        """Frames of each sentence."""
        for sentence, roles in self._told(answer, self._sentences(split, labelled=False)):
            yield frames(sentence, roles)

    def rehearse(self, answer: Answer) -> None:
        """Each length of batch."""
        row = self._made(self._typed("It is."), labelled=False)[0]
        for length in self._pad.lengths:
            answer(self.collate([row] * REPLY_ROWS, length))

    def reply(self, answer: Answer, line: str) -> str:
        """A line for each predicate, its sentence with the roles in brackets; a sentence that has none as it is."""
        told = self._told(answer, self._typed(line), rows=REPLY_ROWS)
        return "\n".join(bracketed(sentence, spans) for sentence, roles in told for spans in roles or [[]])

    def _typed(self, line: str) -> list[Sentence]:
        return sentences_of([Record({"text": line}, "the line")])

    def _told(
        self, answer: Answer, sentences: Sequence[Sentence], *, rows: int = 0
    ) -> Iterator[tuple[Sentence, list[Spans]]]:
        """Each sentence with the spans of each of its predicates, which the net finds where they are not given."""
        bare = [n for n, s in enumerate(sentences) if s.predicates is None]
        first = self._asked(answer, [sentences[n] for n in bare], rows=rows, marked=False)
        found = {n: as_predicates(first.predicates[k]) for k, n in enumerate(bare)}
        full = [replace(s, predicates=found.get(n, s.predicates)) for n, s in enumerate(sentences)]
        roles = self._asked(answer, full, rows=rows, unmarked=False).roles
        for n, sentence in enumerate(full):
            yield sentence, [roles[n, k] for k in range(len(sentence.predicates))]

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """.conll has words, lemmas and roles; .props, without the words, is what srl-eval.pl compares."""
        sentences = [as_columns(each) for each in predictions]
        return {".conll": conll_text(sentences), ".props": conll_text(sentences, columns=("lemma",))}

    def _logits(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> jax.Array:
        places = {"position_ids": batch["position_ids"]} if "position_ids" in batch else {}
        return model(batch["input_ids"], rngs=rngs, **encoder_inputs(batch), **places).logits

    def _asked(self, answer: Answer, sentences: Sequence[Sentence], *, rows: int = 0, **kinds: bool) -> Found:
        """All that the net says of the sentences, in a pass of its own."""
        examples = self._made(sentences, labelled=False, **kinds)
        batches = self._passed_over(examples, Share(), rows=rows) if len(examples) else ()
        return gathered(((batch, answer(batch)) for batch in batches), examples, self.labels)

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        return stack(examples) if "segment_ids" in examples[0] else self._pad(examples, longest)

    @cached_property
    def _pad(self) -> PadRoles:
        return PadRoles(batch_lengths(self.config.data), self.tokenizer.pad_id)

    def examples(self, split: str, *, labelled: bool = True) -> RoleExamples:
        return self._examples(split, labelled)

    @cache  # noqa: B019  (a task lives as long as its process)
    def _examples(self, split: str, labelled: bool) -> RoleExamples:
        sentences = self._sentences(split, labelled=labelled)
        if labelled:
            self._tell_unknown(split, unknown_spans(sentences, self.labels))
        examples = self._made(sentences, labelled=labelled)
        predicates = sum(len(s.predicates or ()) for s in sentences)
        print(
            f"{split}: {len(sentences)} sentences, {predicates} predicates, {len(examples)} examples of a median of "
            f"{sorted(examples.lengths)[len(examples) // 2]} tokens, {examples.windowed} of a part of their sentence",
            flush=True,
        )
        return examples

    def _made(self, sentences: Sequence[Sentence], *, labelled: bool, **kinds: bool) -> RoleExamples:
        how = {"length": self.config.data.length, "types": self.config.model.token_types}
        return role_examples(sentences, self.tokenizer, labels=self.labels if labelled else None, **how, **kinds)

    @cache  # noqa: B019
    def _sentences(self, split: str, *, labelled: bool) -> list[Sentence]:
        data = self.config.data
        return sentences_of(read_split(data, split, fields=("spans",) if labelled else ()), text=data.text)

    def _tell_unknown(self, split: str, unknown: Sequence[tuple[str, str]]) -> None:
        """Raises InputError for the training split."""
        if unknown and split == "train":
            label, origin = unknown[0]
            raise InputError(
                f"{origin}: the label {label} is none of the {len(self.labels)} that the net was made for; change it, "
                "or start from another net"
            )
        if unknown:
            names = ", ".join(sorted({label for label, _ in unknown}))
            print(f"{split}: {len(unknown)} spans have labels that training had not ({names}): no loss, but missed")


def _read_labels(file: Path) -> tuple[str, ...]:
    if not file.exists():
        return ()
    labels = read_json(file, remedy="remove it if the training split is at hand")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError(f"{file}: should be a list of labels; remove it if the training split is at hand")
    return tuple(labels)
