"""What tasks share whose examples are pairs of texts: one to read, one to write."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.pairs import PairExamples, pair_examples
from data.records import Record
from decoding import Settings, generate
from errors import InputError
from metrics import perplexity
from tasks.decoding_settings import decoding_settings
from tasks.inputs import encoder_inputs
from tasks.task import Answer
from tasks.texts import read_split
from tasks.writing import Writing, digest


class Pairs(Writing):
    """Read `data.text`, write `data.target`; with `data.text_pair` a question is put before the text."""

    def __post_init__(self):
        if not self.config.data.target:
            raise InputError(f"task={self.config.task} needs data.target, the field that holds the text to write")
        super().__post_init__()
        _ = self.settings  # refuses what they cannot be now

    @property
    def identity(self) -> dict[str, Any]:
        pairs = self.examples("train")
        return {"tokenizer": self.tokenizer.sha256, "training data": digest((*pairs.sources, *pairs.targets))}

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> PairExamples:
        data = self.config.data
        target = self._target(split) if labelled else ""
        right = self._right_fields(split) if labelled and split != "train" else ()  # a gap is told now, not when graded
        examples = pair_examples(
            read_split(data, split, fields=tuple(f for f in (data.text_pair, data.text, target, *right) if f)),
            self.tokenizer,
            self.form,
            text=data.text,
            question=data.text_pair,
            target=target,
            keep_empty=split != "train" or not labelled,
        )
        self._check_questions(examples)
        print(f"{split}: {examples}", flush=True)
        return examples

    def _target(self, split: str) -> str:
        """The field of the text to write: where a split has no `data.target`, the first of `data.references`."""
        data = self.config.data
        if split == "train" or not data.references:
            return data.target
        return data.target if data.target in self._told_in(split) else data.references[0]

    def _right_fields(self, split: str) -> tuple[str, ...]:
        """The fields of all that would be right: where a split has none of `data.references`, `data.target`."""
        data = self.config.data
        there = self._told_in(split) if data.references else {}
        return tuple(data.references) if any(field in there for field in data.references) else (data.target,)

    def _told_in(self, split: str) -> Mapping[str, Any]:
        """What the first record of a split has of these fields."""
        data = self.config.data
        return read_split(data, split, fields=(), optional=(data.target, *data.references))[0].values

    def _check_questions(self, examples: PairExamples) -> None:
        """A question sees everything: tokens for which the net has no slot would not, and nobody would say so."""
        most = self.config.model.max_global_tokens
        for origin, count in zip(examples.origins, examples.questions, strict=True):
            if self.collate.question_global and count > most:
                raise InputError(
                    f"{origin}: its question has {count} tokens, special ones too, and model.max_global_tokens={most}: "
                    "raise that"
                )

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        key = jax.random.key(self.config.seed) if self.settings.do_sample else None
        how = encoder_inputs(batch) | {"key": key, "row_ids": batch["index"]}
        return generate(model, batch["input_ids"], self.settings, **how)._asdict()

    def graded(self, answer: Answer, split: str) -> dict[str, float]:
        right = self._right(split)
        pairs = [(self._text(found), right[number]) for number, found in self.answered_rows(answer, split)]
        return self.graded_texts(*zip(*pairs, strict=True))

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        origins = self.examples(split, labelled=False).origins
        for number, found in self.answered_rows(answer, split, labelled=False):
            texts = [self._text(found, beam) for beam in range(found["tokens"].shape[1])]
            scores = [round(float(score), 4) for score in found["scores"][0]]
            told = zip(texts[1:], scores[1:], strict=True)
            others = [{"text": t, "score": s} for t, s in told if math.isfinite(s)]  # a search may have found fewer
            best = {"origin": origins[number], "text": texts[0], "score": scores[0]}
            yield best | ({"others": others} if others else {})

    def rehearse(self, answer: Answer) -> None:
        for length in self.collate.lengths:
            self._replied(answer, np.full(length, self.tokenizer.unk_id, np.int32), question=0)

    def reply(self, answer: Answer, line: str) -> str:
        """What is written of a line; with `data.text_pair`, of what follows the question and a tab in it."""
        asked, tab, text = line.partition("\t") if self.config.data.text_pair else ("", "", line)
        if self.config.data.text_pair and not tab:
            raise InputError("write the question, a tab, and the text")
        fields = {self.config.data.text_pair: asked, self.config.data.text: text}
        read = {"text": self.config.data.text, "question": self.config.data.text_pair}
        pairs = pair_examples([Record(fields, "the line")], self.tokenizer, self.form, **read)
        return self._replied(answer, pairs.sources[0], question=pairs.questions[0])

    def _replied(self, answer: Answer, ids: np.ndarray, *, question: int) -> str:
        batch = self.collate([{"input_ids": ids, "question": question, "index": np.int32(0)}])
        return self._text(answer(batch))

    def written(self, predictions: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """A line for each text, line breaks in it made spaces: what scorers of plain files read."""
        return {".txt": "".join(" ".join(line["text"].splitlines()) + "\n" for line in predictions)}

    @cached_property
    def settings(self) -> Settings:
        first = self.form.before_target(self.tokenizer)
        return decoding_settings(
            self.config,
            self.tokenizer,
            longest=self.config.data.target_length,
            start=self.form.start_id(self.tokenizer),
            first=first[0] if first else None,
        )

    def _text(self, found: Mapping[str, np.ndarray], beam: int = 0) -> str:
        ids = found["tokens"][0, beam, : found["lengths"][0, beam]]
        return self.tokenizer.decode(ids.tolist()).strip()

    @cache  # noqa: B019
    def texts(self, split: str, field: str) -> list[str]:
        """Those of a field, as they stand in the files, of each example."""
        records = read_split(self.config.data, split, fields=(field,))
        return [records[number].text(field) for number in self.examples(split).numbers]

    @abstractmethod
    def graded_texts(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        """The official scores of texts, each with all that would be right."""

    @abstractmethod
    def trivial(self, split: str) -> tuple[str, list[str]]:
        """What a program writes that has learnt nothing, and what it does."""

    def baseline(self, split: str) -> dict[str, Any]:
        """The unigram distribution of what is written in training; of whole texts, what `trivial` writes."""
        train, there = (self._counts(each) for each in ("train", split))
        chances = (train + 1.0) / (train + 1.0).sum()
        nats = float(-(there * np.log(chances)).sum() / there.sum())
        accuracy = float(there[train.argmax()] / there.sum())
        told, texts = self.trivial(split)
        scores = {"perplexity": perplexity(nats), "accuracy": accuracy} | self.graded_texts(texts, self._right(split))
        return {"name": f"unigram; {told}", **scores}

    def _right(self, split: str) -> list[list[str]]:
        """Of each text, all that would be right to write."""
        columns = [self.texts(split, field) for field in self._right_fields(split)]
        return [list(each) for each in zip(*columns, strict=True)]

    def _counts(self, split: str) -> np.ndarray:
        return np.bincount(np.concatenate(self.examples(split).targets), minlength=self.tokenizer.vocab_size)
