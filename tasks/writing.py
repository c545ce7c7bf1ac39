"""What tasks share that read one text and write another, each token told from those written before it."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.pairs import Form, PadPairs
from errors import InputError
from metrics import perplexity
from ops.losses import chunked_sums, correct_sums, cross_entropy_sums, smoothed_sums
from tasks.examples import ExampleTask
from tasks.inputs import batch_lengths, check_global_tokens, encoder_inputs
from tasks.task import Totals


class Writing(ExampleTask):
    """An encoder-decoder's loss and scores.

    `loss` is in nats per token written, the token that ends it included, and with `train.label_smoothing` smoothed;
    `perplexity` and `accuracy` are not, each token given all those before it as they should be.
    """

    def __post_init__(self):
        super().__post_init__()
        train = self.config.train
        check_global_tokens(self.config.data.global_tokens)
        if not 0 <= train.label_smoothing < 1:
            raise InputError(f"train.label_smoothing={train.label_smoothing} must lie in [0, 1)")
        if train.loss_chunk and train.label_smoothing:
            raise InputError("train.loss_chunk knows no train.label_smoothing: set one of them to 0")
        self.form.start_id(self.tokenizer)  # refuses a vocabulary without it now

    @property
    def head(self) -> dict[str, Any]:
        model = self.config.model
        return {"tied": model.tied_output, "scaled": model.scaled_output, "biased": model.output_bias}

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "perplexity", "accuracy")

    @property
    def columns(self) -> tuple[str, ...]:
        read = ("input_ids", "attention_mask", "global_attention_mask")
        return (*read, "decoder_input_ids", "labels", "label_weights", "index")

    @property
    def predicted(self) -> int:
        return self.config.data.target_length

    @property
    def form(self) -> Form:
        data = self.config.data
        return Form(data.length, data.target_length, start=self.config.model.decoder_start, prefix=data.prefix)

    @cached_property
    def collate(self) -> PadPairs:
        data, model = self.config.data, self.config.model
        return PadPairs(
            batch_lengths(data),
            data.target_length,
            pad_id=self.tokenizer.pad_id,
            start_id=self.form.start_id(self.tokenizer),
            question_global=model.name == "longformer" and data.global_tokens == "first",
        )

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        labels, weights, train = batch["labels"], batch["label_weights"], self.config.train
        inputs = {name: batch[name] for name in ("input_ids", "decoder_input_ids")} | encoder_inputs(batch)
        if train.loss_chunk:
            factors = tuple(model.factors(**inputs, rngs=rngs))
            nll, weight, correct = chunked_sums(factors, labels, weights, chunk=train.loss_chunk)
            return {"loss": nll, "weight": weight, "correct": correct, "nll": nll}
        logits = model(**inputs, rngs=rngs).logits
        nll, weight = cross_entropy_sums(logits, labels, weights)
        correct, _ = correct_sums(logits, labels, weights)
        share = train.label_smoothing
        loss = smoothed_sums(logits, labels, weights, share=share)[0] if share else nll
        return {"loss": loss, "weight": weight, "correct": correct, "nll": nll}

    def scores(self, totals: Totals) -> dict[str, float]:
        loss, nll, correct = (float(totals[name]) / float(totals["weight"]) for name in ("loss", "nll", "correct"))
        return {"loss": loss, "perplexity": perplexity(nll), "accuracy": correct}


def digest(rows: Any) -> str:
    """Of arrays of ids behind one another."""
    found = hashlib.sha256()
    for ids in rows:
        found.update(np.ascontiguousarray(ids))
    return found.hexdigest()
