"""Causal language modelling: each token is told from those before it (Radford et al. 2019, section 2)."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from data.loader import stack
from data.prompts import left_padded_prompts
from data.stream import SlidingRows, TokenStream, TrainingRows, token_stream
from data.unigram import unigram_nats
from decoding import Settings, generate
from errors import InputError
from metrics import perplexity
from ops.losses import chunked_sums, correct_sums, cross_entropy_sums
from tasks.decoding_settings import decoding_settings
from tasks.examples import ExampleTask
from tasks.inputs import check_global_tokens, check_no_buckets, first_token_global
from tasks.task import Answer, Batch, Totals
from tasks.texts import read_split

SUMS = ("characters", "words")
SEEN = ("input_ids", "segment_ids", "global_attention_mask")  # what the net takes of a batch


class CausalLM(ExampleTask):
    """Tell the next token of a stream of text.

    Scores are over all tokens of a split, those that end its documents too, each told once: `loss` in nats per token;
    `bits_per_character` and `word_perplexity` are the same total divided by the split's characters (code points) and by
    its words (between white space). Those two need no vocabulary to be compared by. In training they are left out.
    """

    def __post_init__(self):
        super().__post_init__()
        if not self.config.model.causal:
            raise InputError("task=causal_lm tells a token from those before it alone: set model.causal=True")
        check_global_tokens(self.config.data.global_tokens)
        check_no_buckets(self.config)
        writes = self.config.mode in ("predict", "talk") or self.config.prediction.prompts
        if self._first_is_global and writes:
            raise InputError(
                "a Longformer keeps no global token in its cache, and cannot go on with a text as it was trained: set "
                "data.global_tokens=none before training, or ask it for no texts (prediction.prompts)"
            )
        _ = self.settings  # refuses what they cannot be now
        if self.config.mode in ("train", "plan"):
            self._sampled()  # and a prompt that leaves no room, not after the last step

    @property
    def _first_is_global(self) -> bool:
        return self.config.model.name == "longformer" and self.config.data.global_tokens == "first"

    @property
    def identity(self) -> dict[str, Any]:
        digest = hashlib.sha256(self._stream("train").tokens.tobytes())
        return {"tokenizer": self.tokenizer.sha256, "training data": digest.hexdigest()}

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("loss", "perplexity", "accuracy", "bits_per_character", "word_perplexity")

    @property
    def columns(self) -> tuple[str, ...]:
        seen = () if self.config.data.cross_documents else ("segment_ids",)
        own = ("input_ids", "global_attention_mask", "prompt_mask", "index")  # the last two of prompts alone
        return (*own, *seen, "labels", "label_weights", *(f"label_{name}" for name in SUMS))

    @property
    def predicted(self) -> int:
        return self.config.data.length

    @cached_property
    def training_source(self) -> TrainingRows:
        return TrainingRows(self._stream("train"), self.config.data.length)

    def examples(self, split: str, *, labelled: bool = True) -> SlidingRows:
        length = self.config.data.length
        return SlidingRows(self._stream(split), length, self.config.evaluation.stride or length)

    def drawn(self, example: Batch, rng: np.random.Generator) -> Batch:
        return self.training_source.cut(example, rng) if "tokens" in example else example

    def collate(self, rows, longest: int | None = None) -> Batch:
        batch = stack(rows)
        if self._first_is_global:  # each token sees it; it sees itself alone
            batch["global_attention_mask"] = first_token_global(np.ones_like(batch["input_ids"]))
        return batch

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        labels, weights = batch["labels"], batch["label_weights"]
        inputs = {name: batch[name] for name in SEEN if name in batch}
        if chunk := self.config.train.loss_chunk:
            loss, weight, correct = chunked_sums(
                tuple(model.factors(**inputs, rngs=rngs)), labels, weights, chunk=chunk
            )
        else:
            logits = model(**inputs, rngs=rngs).logits
            loss, weight = cross_entropy_sums(logits, labels, weights)
            correct, _ = correct_sums(logits, labels, weights)
        sums = {name: (batch[f"label_{name}"] * weights).sum() for name in SUMS}
        return {"loss": loss, "weight": weight, "correct": correct} | sums

    def scores(self, totals: Totals) -> dict[str, float]:
        nats, weight = float(totals["loss"]), float(totals["weight"])
        scores = _per_token(nats, weight) | {"accuracy": float(totals["correct"]) / weight}
        return scores | _per_text(nats, *(float(totals[name]) for name in SUMS))

    def baseline(self, split: str) -> dict[str, Any]:
        """The unigram distribution of the training tokens, and always guessing the most frequent."""
        train, there = self._counts("train"), self._counts(split)
        nats = unigram_nats(train, there, special_ids=np.zeros(0, np.int32))
        stream, weight = self._stream(split), there.sum()
        scores = {"name": "unigram", **_per_token(nats * weight, weight)}
        scores["accuracy"] = float(there[train.argmax()] / weight)
        return scores | _per_text(nats * weight, float(stream.characters.sum()), float(stream.words.sum()))

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """How each prompt, padded on its left, goes on."""
        settings = self.settings
        key = jax.random.key(self.config.seed) if settings.do_sample else None
        how = {"attention_mask": batch["prompt_mask"], "key": key, "row_ids": batch["index"]}
        return generate(model, batch["input_ids"], settings, **how)._asdict()

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        """Each text of a split, gone on with."""
        records = read_split(self.config.data, split, fields=(self.config.data.text,))
        prompts = [record.text(self.config.data.text) for record in records]
        rows = self._rows(prompts, [record.origin for record in records])
        for record, texts in zip(records, self._continued(answer, rows), strict=True):
            yield {"origin": record.origin, "text": texts[0]} | ({"others": texts[1:]} if texts[1:] else {})

    def rehearse(self, answer: Answer) -> None:
        self.reply(answer, "")

    def reply(self, answer: Answer, line: str) -> str:
        """How a line goes on."""
        return next(self._continued(answer, self._rows([line], ["the line"])))[0]

    def samples(self, answer: Answer) -> list[str]:
        found = self._continued(answer, self._sampled())
        prompts = self.config.prediction.prompts
        return [f"{prompt!r}\n      {texts[0]!r}" for prompt, texts in zip(prompts, found, strict=True)]

    def _sampled(self) -> dict[str, np.ndarray]:
        prompts = self.config.prediction.prompts
        return self._rows(prompts, ["prediction.prompts"] * len(prompts))

    @cached_property
    def settings(self) -> Settings:
        """Half a row is room for the prompt where nothing says how much is to be written."""
        length = self.config.data.length
        longest = length - 1 if self.config.decoding.max_new_tokens else length // 2
        return decoding_settings(self.config, self.tokenizer, longest=longest)

    def _rows(self, prompts: Sequence[str], origins: Sequence[str]) -> dict[str, np.ndarray]:
        taken = self.settings.max_new_tokens + self.settings.prompt_lookup_num_tokens
        return left_padded_prompts(prompts, origins, self.tokenizer, room=self.config.data.length - taken)

    def _continued(self, answer: Answer, rows: Batch) -> Iterator[list[str]]:
        """How each row goes on, its best continuation first."""
        count, size = len(rows["index"]), self.config.evaluation.batch_size
        for begin in range(0, count, size):
            chosen = np.minimum(np.arange(begin, begin + size), count - 1)  # the last fills the last batch
            found = answer({name: array[chosen] for name, array in rows.items()})
            for row in range(min(size, count - begin)):
                ends = found["lengths"][row]
                texts = zip(found["tokens"][row], ends, strict=True)
                yield [self.tokenizer.decode(ids[:end].tolist()) for ids, end in texts]

    @cache  # noqa: B019  (a task lives as long as its process)
    def _stream(self, split: str) -> TokenStream:
        field = self.config.data.text
        records = read_split(self.config.data, split, fields=(field,))
        stream = token_stream([record.text(field) for record in records], self.tokenizer)
        print(f"{split}: {stream}", flush=True)
        return stream

    def _counts(self, split: str) -> np.ndarray:
        return np.bincount(self._stream(split).tokens[1:], minlength=self.tokenizer.vocab_size)


def _per_token(nats: float, tokens: float) -> dict[str, float]:
    return {"loss": nats / tokens, "perplexity": perplexity(nats / tokens)}


def _per_text(nats: float, characters: float, words: float) -> dict[str, float]:
    """Nothing where they were not counted."""
    if not characters or not words:
        return {}
    return {"bits_per_character": nats / math.log(2) / characters, "word_perplexity": perplexity(nats / words)}
