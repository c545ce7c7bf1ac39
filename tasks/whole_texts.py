"""What tasks share that say one thing of each text, or of each pair of texts."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from data.classification import ClassificationExamples, PadTo, classification_examples
from data.masking import hide_tokens
from data.records import Record
from errors import InputError
from tasks.examples import ExampleTask, labelled_identity
from tasks.inputs import batch_lengths, check_global_tokens, encoder_inputs
from tasks.task import Answer, Batch
from tasks.texts import read_split
from tasks.word_table import check_word_vectors, words_from_vectors

POOLINGS = ("first", "last", "mean")
NUMBERS = ("id", "idx")  # by which a benchmark knows an example; TFDS stores examples in another order than its files


class WholeTexts(ExampleTask):
    """Examples of one text or a pair with its label, padded together; told from one vector each."""

    hides_inputs: ClassVar[bool] = True
    takes_word_vectors: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        check_global_tokens(self.config.data.global_tokens)
        check_word_vectors(self.config)
        if self.config.model.pooling not in POOLINGS:
            raise InputError(f"model.pooling={self.config.model.pooling!r} is not one of {', '.join(POOLINGS)}")
        if not 0 <= self.config.masking.inputs < 1:
            raise InputError(f"masking.inputs={self.config.masking.inputs} must be at least 0 and below 1")
        if self.config.masking.inputs:
            self.tokenizer.mask_id  # noqa: B018  (refuses a tokenizer without one now, not in the first batch)

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that a label may be; () = it is a number."""

    @property
    def head(self) -> dict[str, Any]:
        model = self.config.model
        told = {"dropout_rate": model.dropout_rate, "pooling": model.pooling, "kind": model.classifier}
        return {"classes": len(self.classes) or 1} | told

    @property
    def identity(self) -> dict[str, Any]:
        return labelled_identity(self.tokenizer, self.examples("train"))

    @property
    def columns(self) -> tuple[str, ...]:
        types = ("token_type_ids",) if self.config.model.token_types else ()  # DistilBERT has none
        return ("input_ids", "attention_mask", *types, "global_attention_mask", "labels", "example_weights")

    @property
    def disturbed(self):
        return self._hidden if self.config.masking.inputs else None

    def _hidden(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        rate, tokenizer = self.config.masking.inputs, self.tokenizer
        ids = example["input_ids"]
        hidden = hide_tokens(ids, rng, rate=rate, mask_id=tokenizer.mask_id, special_ids=tokenizer.special_ids)
        return example | {"input_ids": hidden}

    def initial_params(self) -> dict[str, np.ndarray]:
        def counts() -> np.ndarray:
            return np.bincount(np.concatenate(self.examples("train").ids), minlength=self.tokenizer.vocab_size)

        return words_from_vectors(self.config, self.tokenizer, counts)

    def logits(self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None) -> jax.Array:
        return model(batch["input_ids"], rngs=rngs, **encoder_inputs(batch)).logits

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        return self.padded(examples, longest)

    @cached_property
    def padded(self) -> PadTo:
        data = self.config.data
        lengths = batch_lengths(data)
        first = self.config.model.name == "longformer" and data.global_tokens == "first"
        return PadTo(lengths, self.tokenizer.pad_id, global_first=first)

    def rehearse(self, answer: Answer) -> None:
        """Each length of batch."""
        row = self.examples_of([self._typed("?\t?")], labelled=False)[0]
        for length in self.padded.lengths:
            answer(self.collate([row], length))

    def told_of(self, answer: Answer, line: str) -> Batch:
        """What `answer` says of a line; with `data.text_pair`, of a text, a tab and the other."""
        examples = self.examples_of([self._typed(line)], labelled=False)
        return answer(self.collate([examples[0]], int(examples.lengths.max())))

    def _typed(self, line: str) -> Record:
        data = self.config.data
        first, tab, second = line.partition("\t") if data.text_pair else (line, "", "")
        if data.text_pair and not tab:
            raise InputError(f"write the {data.text}, a tab, and the {data.text_pair}")
        return Record({data.text: first} | ({data.text_pair: second} if data.text_pair else {}), "the line")

    def examples_of(self, records: Sequence[Record], *, labelled: bool) -> ClassificationExamples:
        data = self.config.data
        return classification_examples(
            records,
            self.tokenizer,
            length=data.length,
            classes=self.classes,
            text=data.text,
            pair=data.text_pair or None,
            label=data.label if labelled else None,
        )

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> ClassificationExamples:
        data = self.config.data
        examples = self.examples_of(self._records(split, labelled=labelled), labelled=labelled)
        print(
            f"{split}: {len(examples)} examples, median {int(np.median(examples.lengths))} tokens, "
            f"{examples.truncated} cut at {data.length}",
            flush=True,
        )
        return examples

    def _records(self, split: str, *, labelled: bool = True) -> Sequence[Record]:
        return self._fields_of(split, self.config.data.label) if labelled else self._unlabelled(split)

    @cache  # noqa: B019  (read once for the rows and for what names them)
    def _unlabelled(self, split: str) -> Sequence[Record]:
        return self._fields_of(split, optional=NUMBERS)

    def _fields_of(self, split: str, *labels: str, optional: Sequence[str] = ()) -> Sequence[Record]:
        data = self.config.data
        fields = tuple(field for field in (data.text, data.text_pair, *labels) if field)
        return read_split(data, split, fields=fields, optional=optional)

    def _named(self, split: str) -> list[dict[str, Any]]:
        """What a prediction begins with: where each example is from, and its number where its record has one."""
        return [
            {"origin": record.origin}
            | {name: value for name, value in record.values.items() if _is_number(name, value)}
            for record in self._records(split, labelled=False)
        ]


def _is_number(name: str, value: Any) -> bool:
    return name in NUMBERS and isinstance(value, int | str)
