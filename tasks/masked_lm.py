"""Masked language modelling as RoBERTa does it: dynamic masks, rows of whole sentences (Liu et al. 2019, section 4)."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from data.loader import Share, stack
from data.masking import mask_tokens, predictions_per_row
from data.mixture import Mixture
from data.packing import PackedRows, tokenize_and_pack
from data.records import Record
from data.unigram import token_counts, unigram_nats
from errors import InputError
from metrics import perplexity
from ops.losses import chunked_sums, correct_sums, cross_entropy_sums
from tasks.examples import ExampleTask
from tasks.inputs import check_global_tokens, check_no_buckets, encoder_inputs, first_token_global
from tasks.task import Answer, Batch, Totals
from tasks.texts import read_mixture, read_split, vocab_rows
from tasks.word_table import check_word_vectors, words_from_vectors


class MaskedLM(ExampleTask):
    """Predict the hidden tokens of packed rows; scores are means over them, in nats."""

    takes_mixture: ClassVar[bool] = True
    takes_word_vectors: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        check_global_tokens(self.config.data.global_tokens)
        check_no_buckets(self.config)
        check_word_vectors(self.config)
        if not 0 < self.config.masking.rate < 1:
            raise InputError(f"masking.rate={self.config.masking.rate} must lie between 0 and 1")
        self._masking()  # refuses a tokenizer without a mask token now, not in the middle of the first batch
        if (top := self.config.prediction.top) > self.tokenizer.vocab_size:
            raise InputError(f"prediction.top={top} is more than the {self.tokenizer.vocab_size} tokens to choose from")
        for text in self.config.prediction.blanks if self.config.mode in ("train", "plan") else ():
            self._blank_row(text, origin="prediction.blanks")  # what is wrong with it is told now

    @property
    def identity(self) -> dict[str, Any]:
        parts = "".join(map(_digest, self._parts))
        source = self.training_source
        slots = source.slots.tolist() if isinstance(source, Mixture) else ""
        return {"tokenizer": self.tokenizer.sha256, "training data": f"{parts}{slots}"}

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "perplexity", "accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        inputs = ["input_ids", "attention_mask"]
        if not self.config.data.cross_documents:
            inputs.append("segment_ids")
        if self._has_global_tokens:
            inputs.append("global_attention_mask")
        return (*inputs, "predict_positions", "labels", "label_weights")

    @property
    def predicted(self) -> int:
        return predictions_per_row(self.config.masking.rate, self.config.data.length)

    def evaluation_batches(self, split: str) -> Iterable[Batch]:
        self._check_masked(split)
        return super().evaluation_batches(split)

    @cache  # noqa: B019  (a task lives as long as its process)
    def _check_masked(self, split: str) -> None:
        """Refuses a split of which no token is hidden, that nothing can be scored by; mostly reads one batch."""
        batches = self._passed_over(self.examples(split), Share(), at_most=self.config.evaluation.batches)
        if not any(batch["label_weights"].any() for batch in batches):
            raise InputError(f"no token of the {split} split is masked: name longer texts in data.{split}")

    def initial_params(self) -> dict[str, np.ndarray]:
        """Word vectors; the output bias at the tokens' log frequencies, so that training starts at the unigram loss.

        Each if it is asked for.
        """
        words = words_from_vectors(self.config, self.tokenizer, lambda: self._counts("train"))
        if not self.config.masking.unigram_bias:
            return words
        counts = self._counts("train") + 1.0  # add-one, as in the baseline
        counts = np.pad(counts, (0, vocab_rows(self.config, self.tokenizer) - len(counts)), constant_values=1.0)
        return words | {"head.bias": np.log(counts / counts.sum()).astype(np.float32)}

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        labels, weights = batch["labels"], batch["label_weights"]
        if chunk := self.config.train.loss_chunk:
            factors = model.factors(**self._asked(batch), rngs=rngs)
            loss, weight, correct = chunked_sums(tuple(factors), labels, weights, chunk=chunk)
        else:
            logits = model(**self._asked(batch), rngs=rngs).logits
            loss, weight = cross_entropy_sums(logits, labels, weights)
            correct, _ = correct_sums(logits, labels, weights)
        return {"loss": loss, "weight": weight, "correct": correct}

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        loss = float(totals["loss"]) / weight
        return {"loss": loss, "perplexity": perplexity(loss), "accuracy": float(totals["correct"]) / weight}

    def baseline(self, split: str) -> dict[str, Any]:
        """The unigram distribution of the training rows, and always guessing its most frequent token."""
        train, there = self._counts("train"), self._counts(split)
        loss = unigram_nats(train, there, special_ids=self.tokenizer.special_ids)
        return {
            "name": "unigram",
            "loss": loss,
            "perplexity": perplexity(loss),
            "accuracy": float(there[train.argmax()] / there.sum()),
        }

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        logits = model(**self._asked(batch)).logits[..., : self.tokenizer.vocab_size]  # spare rows are no tokens
        probabilities = jax.nn.softmax(logits)
        top, ids = jax.lax.top_k(probabilities, self.config.prediction.top)
        return {"probabilities": top, "ids": ids}

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        text_field = self.config.data.text
        records = read_split(self.config.data, split, fields=(text_field,))
        rows = [self._blank_row(record.text(text_field), origin=record.origin) for record in records]
        size = self.config.evaluation.batch_size
        for begin in range(0, len(rows), size):
            filled = self._fill(answer, rows[begin : begin + size], size)
            for record, blanks in zip(records[begin : begin + size], filled, strict=True):
                yield {"origin": record.origin, "text": record.text(text_field), "blanks": blanks}

    def samples(self, answer: Answer) -> list[str]:
        return [
            f"{text!r}\n      {guesses}"
            for text in self.config.prediction.blanks
            for guesses in self._guessed(answer, text, origin="prediction.blanks")
        ]

    def rehearse(self, answer: Answer) -> None:
        self.reply(answer, self.tokenizer.token(self.tokenizer.mask_id))

    def reply(self, answer: Answer, line: str) -> str:
        """What each blank may hold, a line for each."""
        return "\n".join(self._guessed(answer, line, origin="the line"))

    def _guessed(self, answer: Answer, text: str, *, origin: str) -> list[str]:
        (blanks,) = self._fill(answer, [self._blank_row(text, origin=origin)], 1)
        return ["  ".join(f"{guess['token']!r} {guess['probability']:.0%}" for guess in blank) for blank in blanks]

    def _asked(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        own = {name: batch[name] for name in ("input_ids", "predict_positions")}
        return own | encoder_inputs(batch)

    @cached_property
    def training_source(self) -> PackedRows | Mixture:
        weights = [weight for _, weight in self.config.data.mixture]
        return Mixture(self._parts, weights) if weights else self._parts[0]

    @cached_property
    def _parts(self) -> list[PackedRows]:
        data = self.config.data
        if not data.mixture:
            return [self.examples("train")]
        parts = read_mixture(data, fields=(data.text,))
        return [self._packed(records, place) for (records, _), (place, _) in zip(parts, data.mixture, strict=True)]

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> PackedRows:
        return self._packed(read_split(self.config.data, split, fields=(self.config.data.text,)), split)

    def _packed(self, records: Sequence[Record], name: str) -> PackedRows:
        data = self.config.data
        texts = [record.text(data.text) for record in records]
        rows = tokenize_and_pack(
            texts,
            self.tokenizer,
            length=data.length,
            mode=data.packing,
            cache_dir=data.cache or self.directory / "rows",
        )
        print(f"{name}: {rows}", flush=True)
        return rows

    @cache  # noqa: B019
    def _counts(self, split: str) -> np.ndarray:
        parts = self._parts if split == "train" else [self.examples(split)]
        how = {"special_ids": self.tokenizer.special_ids}
        counts = [token_counts(part, self.tokenizer.vocab_size, **how) for part in parts]
        if split != "train" or not isinstance(self.training_source, Mixture):
            return counts[0]
        total = sum(part.sum() for part in counts)
        shares = self.training_source.slots / self.training_source.slots.sum()
        return sum(share * total / part.sum() * part for share, part in zip(shares, counts, strict=True))

    @property
    def _has_global_tokens(self) -> bool:
        return self.config.model.name == "longformer" and self.config.data.global_tokens == "first"

    def _masking(self) -> dict[str, Any]:
        settings = self.config.masking
        return {
            "rate": settings.rate,
            "mask_id": self.tokenizer.mask_id,
            "vocab_size": self.tokenizer.vocab_size,
            "special_ids": self.tokenizer.special_ids,
            "starts_word": self.tokenizer.starts_word if settings.whole_words else None,
            "predictions": self.predicted,
        }

    def drawn(self, row: Batch, rng: np.random.Generator) -> Batch:
        return mask_tokens(row, rng, **self._masking())

    def collate(self, rows, longest: int | None = None) -> Batch:
        batch = stack(rows)
        if self._has_global_tokens:
            batch["global_attention_mask"] = first_token_global(batch["attention_mask"])
        return batch

    def _blank_row(self, text: str, *, origin: str) -> Batch:
        """One row for a text that a person wrote, its <mask> tokens to be filled in.

        Raises:
          InputError: no blank, more blanks than a row can answer, or a text longer than a row.
        """
        length = self.config.data.length
        mask = self.tokenizer.token(self.tokenizer.mask_id)
        ids = np.concatenate(
            [[self.tokenizer.cls_id], self.tokenizer.encode(text, specials=True), [self.tokenizer.sep_id]]
        )
        blanks = np.flatnonzero(ids == self.tokenizer.mask_id)
        if not 1 <= len(blanks) <= self.predicted:
            raise InputError(
                f"{origin}: a text to fill in needs 1 to {self.predicted} times {mask}, this one has {len(blanks)}"
            )
        if len(ids) > length:
            raise InputError(
                f"{origin}: the text has {len(ids)} tokens and a row holds {length}; shorten it or raise data.length"
            )
        row = {"input_ids": np.full(length, self.tokenizer.pad_id, np.int32), "segment_ids": np.zeros(length, np.int32)}
        row["input_ids"][: len(ids)] = ids
        row["segment_ids"][: len(ids)] = 1
        positions = np.zeros(self.predicted, np.int32)
        positions[: len(blanks)] = blanks
        return row | {
            "attention_mask": row["segment_ids"],
            "predict_positions": positions,
            "labels": np.zeros_like(positions),
            "label_weights": (np.arange(self.predicted) < len(blanks)).astype(np.float32),
        }

    def _fill(self, answer: Answer, rows: list[Batch], size: int) -> list[list[list[dict[str, Any]]]]:
        """For each row, for each of its blanks, the likeliest tokens. The batch is padded to `size` rows: one shape."""
        batch = self.collate(rows + rows[-1:] * (size - len(rows)))
        found = answer(batch)
        filled = []
        for number, row in enumerate(rows):
            count = int(row["label_weights"].sum())
            filled.append(
                [self._guesses(found["ids"][number, b], found["probabilities"][number, b]) for b in range(count)]
            )
        return filled

    def _guesses(self, ids: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
        return [
            {"token": self.tokenizer.decode([i], specials=True), "probability": round(float(p), 6)}
            for i, p in zip(ids.tolist(), probabilities, strict=True)
        ]


def _digest(rows: PackedRows) -> str:
    digest = hashlib.sha256(str(rows.length).encode())
    for array in (rows.tokens, rows.row_starts, rows.segment_starts):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
