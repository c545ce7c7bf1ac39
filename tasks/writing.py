"""What tasks share that read one text and write another: an encoder-decoder, told what comes next as it writes."""

import hashlib
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.pairs import Form, PadPairs, PairExamples, pair_examples
from errors import InputError
from metrics import perplexity
from ops.losses import correct_sums, cross_entropy_sums, smoothed_sums
from tasks.examples import ExampleTask
from tasks.inputs import check_global_tokens, encoder_inputs
from tasks.task import Totals
from tasks.texts import read_split


class Writing(ExampleTask):
    """Read `data.text`, write `data.target`; with `data.text_pair` a question put before the text.

    `loss` is in nats per token written, the token that ends it included, and with `train.label_smoothing` smoothed;
    `perplexity` and `accuracy` are not, each token given all those before it as they should be.
    """

    def __post_init__(self):
        if not self.config.data.target:
            raise InputError(f"task={self.config.task} needs data.target, the field that holds the text to write")
        check_global_tokens(self.config.data.global_tokens)
        if not 0 <= self.config.train.label_smoothing < 1:
            raise InputError(f"train.label_smoothing={self.config.train.label_smoothing} must lie in [0, 1)")
        self._form.start_id(self.tokenizer)  # refuses a vocabulary without it now

    @property
    def head(self) -> dict[str, Any]:
        model = self.config.model
        return {"tied": model.tied_output, "scaled": model.scaled_output, "biased": model.output_bias}

    @property
    def identity(self) -> dict[str, Any]:
        digest, pairs = hashlib.sha256(), self.examples("train")
        for ids in (*pairs.sources, *pairs.targets):
            digest.update(ids)
        return {"tokenizer": self.tokenizer.sha256, "training data": digest.hexdigest()}

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "perplexity", "accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        read = ("input_ids", "attention_mask", "global_attention_mask")
        return (*read, "decoder_input_ids", "labels", "label_weights")

    @property
    def predicted(self) -> int:
        return self.config.data.target_length

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        labels, weights = batch["labels"], batch["label_weights"]
        inputs = {name: batch[name] for name in ("input_ids", "decoder_input_ids")} | encoder_inputs(batch)
        logits = model(**inputs, rngs=rngs).logits
        nll, weight = cross_entropy_sums(logits, labels, weights)
        correct, _ = correct_sums(logits, labels, weights)
        share = self.config.train.label_smoothing
        loss = smoothed_sums(logits, labels, weights, share=share)[0] if share else nll
        return {"loss": loss, "weight": weight, "correct": correct, "nll": nll}

    def scores(self, totals: Totals) -> dict[str, float]:
        loss, nll, correct = (float(totals[name]) / float(totals["weight"]) for name in ("loss", "nll", "correct"))
        return {"loss": loss, "perplexity": perplexity(nll), "accuracy": correct}

    @cached_property
    def collate(self) -> PadPairs:
        data, model = self.config.data, self.config.model
        return PadPairs(
            (*sorted(length for length in data.buckets if length < data.length), data.length),
            data.target_length,
            pad_id=self.tokenizer.pad_id,
            start_id=self._form.start_id(self.tokenizer),
            question_global=model.name == "longformer" and data.global_tokens == "first",
        )

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> PairExamples:
        data = self.config.data
        fields = tuple(f for f in (data.text_pair, data.text, data.target if labelled else "") if f)
        examples = pair_examples(
            read_split(data, split, fields=fields),
            self.tokenizer,
            self._form,
            text=data.text,
            question=data.text_pair,
            target=data.target if labelled else "",
            keep_empty=split != "train",
        )
        print(f"{split}: {examples}", flush=True)
        return examples

    @property
    def _form(self) -> Form:
        data = self.config.data
        return Form(data.length, data.target_length, start=self.config.model.decoder_start, prefix=data.prefix)

    def _counts(self, split: str) -> np.ndarray:
        targets = self.examples(split).targets
        return np.bincount(np.concatenate(targets), minlength=self.tokenizer.vocab_size)
