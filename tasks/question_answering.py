"""Extractive question answering: where in a document the answer stands (Devlin et al. 2018, sections 4.2 and 4.3).

The same task reads a document in windows, or whole in one row, where a Longformer's question attends globally (Beltagy
et al. 2020, section 6): `data.length` decides.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.questions import Question, read_questions
from data.reading import PadReading, ReadingExamples, reading_examples
from data.records import Record, read_text
from errors import InputError
from metrics.squad import squad_scores
from tasks.examples import ExampleTask
from tasks.inputs import batch_lengths, check_global_tokens, encoder_inputs
from tasks.spans import (
    Found,
    fitting_threshold,
    found_in_windows,
    joined,
    references_of,
    span_answers,
    span_totals,
)
from tasks.task import Answer, Batch, Totals
from tasks.texts import read_split
from tasks.trivial_answers import best_trivial

log = logging.getLogger(__name__)

ALWAYS = 1.0  # no probability is above it: there always is an answer


class QuestionAnswering(ExampleTask):
    """The first and the last token of the answer; the row's first token where its window holds none.

    Of several annotators' answers each epoch draws one. Scores of rows come from the likeliest first and last token,
    each alone; whole answers are graded by SQuAD's scorer, over all windows of a question.
    """

    graded_names = ("exact_match", "f1")
    in_pieces = True

    def __post_init__(self):
        super().__post_init__()
        data, model = self.config.data, self.config.model
        check_global_tokens(data.global_tokens, also=("question",))
        if not data.text or not data.text_pair:
            raise InputError("data.text and data.text_pair must name the fields of the document and of the question")
        if data.mark_overlap and model.token_types < 3:
            raise InputError(f"data.mark_overlap needs model.token_types of at least 3, not {model.token_types}")
        asked = 1 + data.question_length
        if self._global == "question" and model.max_global_tokens < asked:
            raise InputError(
                f"model.max_global_tokens={model.max_global_tokens} does not hold the first token and a question of "
                f"data.question_length={data.question_length} tokens: {asked}"
            )
        if not 0 <= data.empty_windows <= 1:
            raise InputError(f"data.empty_windows={data.empty_windows} is a share, 0 to 1")
        asks = self.config.mode in ("evaluate", "predict", "talk")
        if self._given_threshold() is None and asks and not data.validation:
            raise InputError(
                "prediction.no_answer_threshold=validation asks the questions of data.validation, which is empty: name "
                "it, or give a number (1.0 = always an answer)"
            )

    @property
    def identity(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        train = self.training_source
        for window in train.windows:
            digest.update(np.asarray(window).tobytes())
        for asked, document, places in zip(train.asked, train.documents, train.places, strict=True):
            digest.update(asked.tobytes() + document.ids.tobytes() + places.tobytes())
        return {"tokenizer": self.tokenizer.sha256, "training data": digest.hexdigest()}

    @cached_property
    def training_source(self) -> ReadingExamples:
        """With `data.empty_windows` of the windows without an answer (Alberti et al. 2019 leave most of them out)."""
        examples, kept = self.examples("train"), self.config.data.empty_windows
        if kept == 1:
            return examples
        thinned = examples.thinned(kept, self.config.seed)
        print(f"train: {len(thinned)} of {len(examples)} windows, each that holds an answer among them", flush=True)
        return thinned

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        inputs = ("input_ids", "attention_mask", "token_type_ids", "global_attention_mask")
        return (*inputs, "answerable", "starts", "labels", "example_weights")

    def drawn(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        if "answers" not in example:
            return example
        rest = {name: value for name, value in example.items() if name != "answers"}
        return rest | {"label": example["answers"][rng.integers(len(example["answers"]))]}

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        return span_totals(self.told(model, batch, rngs), batch)

    def told(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> Any:
        """What the net says of a batch, by the names of its output."""
        return model(batch["input_ids"], rngs=rngs, **encoder_inputs(batch))

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        return {"loss": float(totals["loss"]) / weight, "accuracy": float(totals["right"]) / weight}

    def baseline(self, split: str) -> dict[str, Any]:
        """The best of the answers that no model is needed for."""
        return best_trivial(self.examples(split).questions, self.examples("train").questions)

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        prediction = self.config.prediction
        told = self.told(model, batch, None)
        return span_answers(told, batch, longest=prediction.max_answer, count=prediction.top)

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        """Of the questions whose windows were all read; with their kinds apart where some have no answer."""
        found = list(self._found(answer, split))
        if not found:
            read = f"evaluation.batches={self.config.evaluation.batches} of {self.config.evaluation.batch_size} rows"
            raise InputError(
                f"{read} do not hold all windows of the {split} split's first question; raise it, or set 0"
            )
        threshold = self._threshold_of(found) if split == "validation" else self.threshold(answer)
        references = references_of(found)
        version = "1.1" if all(references.values()) else "2.0"
        scores = squad_scores({f.question.id: f.text(threshold) for f in found}, references, version=version)
        told = {name: value for name, value in scores.items() if not np.isnan(value)}
        told |= self.more_scores(found, threshold)
        return told if threshold == ALWAYS else told | {"no_answer_threshold": threshold}

    def more_scores(self, found: Sequence[Found], threshold: float) -> dict[str, float]:
        """What a task that asks more of its net adds to SQuAD's scores."""
        return {}

    @cache  # noqa: B019  (a task lives as long as its process)
    def threshold(self, answer: Answer) -> float:
        """The probability of no answer above which none is given: the config's, or the best one on validation."""
        given = self._given_threshold()
        if given is None and all(question.answers for question in self.examples("validation").questions):
            given = ALWAYS
        elif given is None:
            print("the threshold of no answer is looked for on the validation split", flush=True)
            given = self._threshold_of(list(self._found(answer, "validation")))
        told = f"no answer where its probability is above {given:.4g}" if given < ALWAYS else "always an answer"
        print(f"{told} (prediction.no_answer_threshold)", flush=True)
        return given

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        self.examples(split, labelled=False)  # what is wrong there is told before validation is answered
        threshold = self.threshold(answer)
        for found in self._found(answer, split, labelled=False):
            yield found.described(threshold, top=self.config.prediction.top)

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What the official scripts of SQuAD 1.1 and 2.0 read: each id's answer, and its probability to have none."""
        columns = {".json": "answer", ".na_probs.json": "no_answer_probability"}
        return {
            suffix: json.dumps({line["id"]: line[name] for line in predictions}, ensure_ascii=False) + "\n"
            for suffix, name in columns.items()
        }

    def samples(self, answer: Answer) -> list[str]:
        shown = islice(self._found(answer, "validation", few=True), 3)
        return [f"{found.question.text} {found.text()!r}, marked {found.question.answer_texts!r}" for found in shown]

    def rehearse(self, answer: Answer) -> None:
        """Each length of one row, and the document of `prediction.document` with the shortest and longest question."""
        self.threshold(answer)
        row = self._examples_of([Question("", "?", "?", (), "")], labelled=False)[0]
        for length in self.collate.lengths:
            answer(self.collate([row], length))
        if self._document:
            for text in ("?", "what " * self.config.data.question_length):
                self._reply(answer, text, self._document)

    def reply(self, answer: Answer, line: str) -> str:
        """To a question about `prediction.document`, or to a question, a tab and its document."""
        text, tab, document = line.partition("\t")
        if not (document := document if tab else self._document).strip() or not text.strip():
            raise InputError("write a question, a tab and its document, or name the document in prediction.document")
        found = self._reply(answer, text.strip(), document)
        if found.silent(self.threshold(answer)):
            return f"no answer (probability {found.no_answer:.3f})"
        best = found.candidates[0]
        return f"{best.text} (probability {best.probability:.3f}, characters {best.start} to {best.end})"

    def _reply(self, answer: Answer, text: str, document: str) -> Found:
        """In batches of a power of two rows, so that few shapes are compiled."""
        examples = self._examples_of([Question("", text, document, (), "the line")], labelled=False)
        rows = range(len(examples))
        size = min(1 << (len(rows) - 1).bit_length(), self.config.evaluation.batch_size)
        parts = []
        for begin in rows[::size]:
            numbers = [min(begin + at, len(rows) - 1) for at in range(size)]
            found = answer(self.collate([examples[number] for number in numbers], int(examples.lengths.max())))
            parts.append({name: array[: len(rows) - begin] for name, array in found.items()})
        return found_in_windows(examples, rows, joined(parts))

    def _found(self, answer: Answer, split: str, *, labelled: bool = True, few: bool = False) -> Iterator[Found]:
        """Of each question in turn whose windows are all read."""
        examples = self.examples(split, labelled=labelled)
        windows = self.answered_rows(answer, split, labelled=labelled, few=few)
        questions = groupby(windows, lambda row: examples.windows[row[0]].question)
        counts = np.bincount([window.question for window in examples.windows])
        for number, rows in questions:
            indices, parts = zip(*rows, strict=True)
            if len(indices) == counts[number]:
                yield self.found_of(examples, indices, parts)

    def found_of(self, examples: ReadingExamples, rows: Sequence[int], parts: Sequence[Batch]) -> Found:
        """What the answers to all windows of a question say."""
        return found_in_windows(examples, rows, joined(parts))

    def _threshold_of(self, found: Sequence[Found]) -> float:
        given = self._given_threshold()
        if given is not None or all(references_of(found).values()):
            return ALWAYS if given is None else given
        return fitting_threshold(found)

    def _given_threshold(self) -> float | None:
        """The config's number; None: it is to be found on the validation split."""
        told = self.config.prediction.no_answer_threshold
        if told == "validation":
            return None
        try:
            return float(told)
        except ValueError as error:
            raise InputError(f"prediction.no_answer_threshold={told!r} is neither a number nor validation") from error

    @property
    def _global(self) -> str:
        return self.config.data.global_tokens if self.config.model.name == "longformer" else "none"

    @cached_property
    def _document(self) -> str:
        path = self.config.prediction.document
        return read_text(Path(path)) if path else ""

    @cached_property
    def collate(self) -> PadReading:
        data = self.config.data
        lengths = batch_lengths(data)
        which = {"global_first": self._global == "first", "global_question": self._global == "question"}
        return PadReading(lengths, self.tokenizer.pad_id, **which)

    def _examples_of(self, questions: Sequence[Question], *, labelled: bool) -> ReadingExamples:
        data, types = self.config.data, self.config.model.token_types
        return reading_examples(
            questions,
            self.tokenizer,
            length=data.length,
            stride=data.stride,
            question_length=data.question_length,
            longest=self.config.prediction.max_answer,
            token_types=types if data.mark_overlap else min(types, 2),
            labelled=labelled,
        )

    def extended(self, examples: ReadingExamples, records: Sequence[Record], *, labelled: bool) -> ReadingExamples:
        """With what a task that asks more of its net reads of the records."""
        return examples

    @cache  # noqa: B019
    def examples(self, split: str, *, labelled: bool = True) -> ReadingExamples:
        data = self.config.data
        fields = ("id", data.text, data.text_pair, *(("answers",) if labelled else ()))
        records = read_split(data, split, fields=fields, optional=("is_impossible",) if labelled else ())
        how = {"document": data.text, "question": data.text_pair, "misplaced": data.misplaced_answers}
        questions = read_questions(records, labelled=labelled, **how)
        examples = self.extended(self._examples_of(questions.all, labelled=labelled), records, labelled=labelled)
        if len(examples.windows) > len(examples.questions) and self.config.prediction.max_answer > data.stride + 1:
            log.warning(
                "windows share data.stride=%d tokens: some answers of up to prediction.max_answer=%d are whole in none",
                *(data.stride, self.config.prediction.max_answer),
            )
        print(f"{split}: {examples.told()}, {questions.moved} answers moved", flush=True)
        return examples
