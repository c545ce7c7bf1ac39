"""Which candidate answers a question, by all of some documents in one row (Beltagy et al. 2020, section 6: WikiHop).

python train.py --config=configs/wikihop.py:base --config.init_from=longformer-4096 --config.data.train=train.jsonl ...
"""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from data.candidates import CandidateExamples, PadCandidates, candidate_examples
from errors import InputError
from ops.attention import MASKED
from tasks.choosing import Choosing
from tasks.inputs import batch_lengths, check_global_tokens, encoder_inputs, first_token_global
from tasks.task import Batch


class Candidates(Choosing):
    """The vector before each candidate gives its score. The paper adds tokens that mark candidates; here a separator
    stands before each, so that no vocabulary grows.

    The fields are `data.text` (a document or a list of them), `data.text_pair` (the question), `data.choices` and
    `data.label`. With `data.global_tokens=question` the question and its candidates see everything.
    """

    def __post_init__(self):
        super().__post_init__()
        check_global_tokens(self.config.data.global_tokens, also=("question",))
        if not self.config.data.text_pair:
            raise InputError("data.text_pair must name the field that holds the question")
        if self.config.data.blank:
            raise InputError("candidates stand beside their question: leave data.blank empty")

    @property
    def head(self) -> dict[str, Any]:
        return {"classes": 1, "dropout_rate": self.config.model.dropout_rate}

    @property
    def columns(self) -> tuple[str, ...]:
        own = ("choice_places", "choice_mask", "labels", "example_weights")
        return ("input_ids", "attention_mask", "global_attention_mask", *own)

    def logits(
        self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None
    ) -> Float[jax.Array, "B C"]:
        told = model(batch["input_ids"], rngs=rngs, **encoder_inputs(batch)).logits[..., 0]  # [B S]
        return jnp.where(batch["choice_mask"], jnp.take_along_axis(told, batch["choice_places"], axis=1), MASKED)

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        batch = self._padded(examples, longest)
        if self._is_longformer and self.config.data.global_tokens == "first":
            batch["global_attention_mask"] = first_token_global(batch["attention_mask"])
        return batch

    @property
    def _is_longformer(self) -> bool:
        return self.config.model.name == "longformer"

    @property
    def _front_global(self) -> bool:
        return self._is_longformer and self.config.data.global_tokens == "question"

    @cached_property
    def _padded(self) -> PadCandidates:
        return PadCandidates(batch_lengths(self.config.data), self.tokenizer.pad_id, front_global=self._front_global)

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> CandidateExamples:
        most = self.config.model.max_global_tokens if self._front_global else 0
        examples = self._read(split, candidate_examples, labelled=labelled, most_front=most)
        print(
            f"{split}: {len(examples)} questions with up to {examples.most} candidates, median "
            f"{int(np.median(examples.lengths))} tokens, {examples.cut} cut at {self.config.data.length}",
            flush=True,
        )
        return examples
