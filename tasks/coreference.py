"""Coreference: which words of a document are of the same person or thing (Beltagy et al. 2020, section 6: OntoNotes).

python train.py --config=configs/coreference.py:base --config.init_from=longformer-4096 ...
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from data.conll2012 import conll2012_text
from data.coreference import CoreferenceExamples, PadCoreference, coreference_examples
from data.documents import Document, documents_of
from data.loader import Share
from data.records import Record
from data.sentences import sentences_of
from metrics.coreference import SCORES, scores
from ops.antecedents import antecedent_sums
from tasks.coreferent import Clusters, SameWords, bracketed, linked, wanted
from tasks.examples import ExampleTask, rows_of
from tasks.inputs import batch_lengths, check_global_tokens, encoder_inputs
from tasks.task import Answer, Batch, Totals
from tasks.texts import read_split

SAMPLES, SAMPLE_WORDS = 2, 60  # documents shown at the end of training, each of fewer words


class Coreference(ExampleTask):
    """Spans are mentions, and each goes back to one before it or to none: `models.coreference.CoreferenceModel`.

    Graded are the F1 of mentions, MUC, B-cubed and CEAF-e, and the mean of the last three ("conll_f1"), in percent
    (metrics/coreference.py). A row is asked alone: a document of more than `data.length` tokens has no cluster that
    passes from one of its rows to the next.
    """

    exports: ClassVar[bool] = False
    in_pieces: ClassVar[bool] = True
    graded_names: ClassVar[tuple[str, ...]] = SCORES
    score_names: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    def __post_init__(self):
        super().__post_init__()
        check_global_tokens(self.config.data.global_tokens)

    @property
    def head(self) -> dict[str, Any]:
        model = self.config.model
        return {
            "mention_tokens": model.mention_tokens,
            "kept": model.mentions_kept,
            "width": model.mention_width,
            "dropout_rate": model.dropout_rate,
        }

    @property
    def identity(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for document in self._documents("train", labelled=True):
            digest.update(repr((document.sentences, document.speakers, document.clusters)).encode())
        return {"tokenizer": self.tokenizer.sha256, "training data": digest.hexdigest()}

    @property
    def columns(self) -> tuple[str, ...]:
        own = ("sentence_ids", "word_begins", "word_ends", "labels", "example_weights")
        return ("input_ids", "attention_mask", "global_attention_mask", *own)

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        """A mention that is not among those kept has no loss; "accuracy" is of those kept."""
        found, labels = self._found(model, batch, rngs), batch["labels"]
        place = found.first_tokens * labels.shape[2] + found.last_tokens - found.first_tokens
        clusters = jnp.take_along_axis(labels.reshape(len(labels), -1), place, axis=1)
        weights = batch.get("example_weights", jnp.ones(len(labels), jnp.float32))
        counted = found.kept & (weights[:, None] > 0)
        loss, right, weight = antecedent_sums(found.antecedent_logits, clusters, counted)
        return {"loss": loss, "weight": weight, "correct": right}

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        return {"loss": float(totals["loss"]) / weight, "accuracy": float(totals["correct"]) / weight}

    def baseline(self, split: str) -> dict[str, Any]:
        """A rule without a net: words that training has as a mention are one, and the same words are of one thing."""
        rule = SameWords.learned(self._documents("train", labelled=True))
        pairs = ((rule(document), wanted(document)) for document in self._documents(split, labelled=True))
        return {"name": "the same words are the same thing", **scores(pairs)}

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """For each mention kept its first and last token, and 1 + the place of the one it goes back to, or 0."""
        found = self._found(model, batch, None)
        antecedents = found.antecedent_logits.argmax(-1).astype(jnp.int32)
        return {
            "first_tokens": found.first_tokens,
            "last_tokens": found.last_tokens,
            "antecedents": jnp.where(found.kept, antecedents, 0),
        }

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        """Of the documents whose rows were all asked."""
        documents = self._documents(split, labelled=True)
        told = self._clusters(answer, split, labelled=True)
        return scores(([frozenset(c) for c in clusters], wanted(documents[n])) for n, clusters in told)

    def samples(self, answer: Answer) -> list[str]:
        """A few documents, each mention in brackets with the number of its cluster."""
        documents = self._documents("validation", labelled=True)
        short = [document for document in documents if len(document.words) < SAMPLE_WORDS][:SAMPLES]
        if not short:
            return []
        return self._bracketed(answer, short)

    def rehearse(self, answer: Answer) -> None:
        """Each length of batch."""
        (row,) = self._made(self._typed("It is."), labelled=False)
        for length in self._padded.lengths:
            answer(self.collate([row], length))

    def reply(self, answer: Answer, line: str) -> str:
        """The line, each mention in brackets with the number of its cluster."""
        (told,) = self._bracketed(answer, self._typed(line), rows=1)
        return told

    def _typed(self, line: str) -> list[Document]:
        sentences = [list(sentence.words) for sentence in sentences_of([Record({"text": line}, "the line")])]
        return documents_of([Record({"text": sentences}, "the line")], text="text", labelled=False)

    def _bracketed(self, answer: Answer, documents: Sequence[Document], *, rows: int = 0) -> list[str]:
        examples = self._made(documents, labelled=False)
        batches = self._passed_over(examples, Share(), rows=rows)
        found = linked(examples, rows_of((batch, answer(batch)) for batch in batches))
        return [bracketed(documents[n], clusters) for n, clusters in found]

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        """Each document with its words and its clusters, and the words of each mention."""
        documents = self._documents(split, labelled=False)
        for number, clusters in self._clusters(answer, split, labelled=False):
            document = documents[number]
            yield {
                "origin": document.origin,
                "doc_key": document.key,
                "sentences": [list(words) for words in document.sentences],
                "clusters": [[list(span) for span in cluster] for cluster in clusters],
                "texts": [[" ".join(document.words[a : b + 1]) for a, b in cluster] for cluster in clusters],
            }

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What the reference scorer compares with the gold file."""
        return {".conll": conll2012_text(predictions)}

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        return self._padded(examples, longest)

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> CoreferenceExamples:
        examples = self._made(self._documents(split, labelled=labelled), labelled=labelled)
        print(f"{split}: {examples.told()}", flush=True)
        return examples

    def _clusters(self, answer: Answer, split: str, *, labelled: bool) -> Iterator[tuple[int, Clusters]]:
        return linked(self.examples(split, labelled=labelled), self.answered_rows(answer, split, labelled=labelled))

    def _found(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> Any:
        places = {name: batch[name] for name in ("sentence_ids", "word_begins", "word_ends")}
        return model(batch["input_ids"], rngs=rngs, **places, **encoder_inputs(batch))

    def _made(self, documents: Sequence[Document], *, labelled: bool) -> CoreferenceExamples:
        config = self.config
        how = {"length": config.data.length, "mention_tokens": config.model.mention_tokens, "labelled": labelled}
        return coreference_examples(documents, self.tokenizer, **how)

    @cache  # noqa: B019
    def _documents(self, split: str, *, labelled: bool) -> list[Document]:
        data = self.config.data
        fields = (data.text, "clusters") if labelled else (data.text,)
        return documents_of(read_split(data, split, fields=fields), text=data.text, labelled=labelled)

    @cached_property
    def _padded(self) -> PadCoreference:
        config = self.config
        first = config.model.name == "longformer" and config.data.global_tokens == "first"
        lengths = batch_lengths(config.data)
        return PadCoreference(lengths, self.tokenizer.pad_id, first, mention_tokens=config.model.mention_tokens)
