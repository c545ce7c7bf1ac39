"""Which of some answers is right, about a text: each is scored in a row of its own (Liu et al. 2019, section 5.3).

python train.py --config=configs/multiple_choice.py:base --config.init_from=roberta-base --config.data.prepare=True
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from data.choices import ChoiceExamples, choice_examples
from errors import InputError
from ops.attention import MASKED
from ops.losses import correct_sums, cross_entropy_sums
from tasks.inputs import encoder_inputs
from tasks.task import Answer, Batch, Totals
from tasks.texts import read_split
from tasks.whole_texts import WholeTexts


class MultipleChoice(WholeTexts):
    """One of the choices of each example, by a softmax over their scores.

    The fields are `data.text`, `data.text_pair` (the question; "" = there is none), `data.choices` and `data.label`.
    Questions may have different numbers of choices: a split's batches have room for its most.
    """

    classes: ClassVar[tuple[str, ...]] = ()
    score_names: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    def __post_init__(self):
        super().__post_init__()
        config = self.config
        if not config.data.choices:
            raise InputError("data.choices must name the field that holds the answers to choose from")
        if config.data.classes or config.data.outside or config.masking.inputs:
            raise InputError("multiple_choice has choices: leave data.classes, data.outside and masking.inputs empty")
        if config.mode == "export":
            raise InputError("a run of multiple_choice cannot be exported: its head is in none of the families' files")

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, "choice_mask")

    @property
    def rows(self) -> int:
        """Known from the training split, which a finished run need not have."""
        return self.examples("train").most if self.config.mode in ("train", "plan") else 1

    def logits(
        self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None
    ) -> Float[jax.Array, "B C"]:
        """The score of each choice, far below all others where there is none."""
        questions, choices = batch["input_ids"].shape[:2]
        inputs = {name: x.reshape(questions * choices, -1) for name, x in encoder_inputs(batch).items()}  # [B*C S]
        ids = batch["input_ids"].reshape(questions * choices, -1)
        told = model(ids, rngs=rngs, **inputs).logits.reshape(questions, choices)
        return jnp.where(batch["choice_mask"], told, MASKED)

    def loss(self, model: nnx.Module, batch: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None) -> Totals:
        logits, labels = self.logits(model, batch, rngs), batch["labels"]
        weights = batch.get("example_weights", jnp.ones(labels.shape, jnp.float32))
        loss, weight = cross_entropy_sums(logits, labels, weights)
        return {"loss": loss, "weight": weight, "correct": correct_sums(logits, labels, weights)[0]}

    def scores(self, totals: Totals) -> dict[str, float]:
        weight = float(totals["weight"])
        return {"loss": float(totals["loss"]) / weight, "accuracy": float(totals["correct"]) / weight}

    def baseline(self, split: str) -> dict[str, Any]:
        """Choosing by chance."""
        counts = np.asarray([len(choices) for choices in self.examples(split).choices])
        return {"name": "chance", "loss": float(np.log(counts).mean()), "accuracy": float((1 / counts).mean())}

    def answers(self, model: nnx.Module, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {"probabilities": jax.nn.softmax(self.logits(model, batch, None))}

    def predictions(self, answer: Answer, split: str) -> Iterator[dict[str, Any]]:
        """`choice` counts from 0."""
        examples = self.examples(split, labelled=False)
        for batch, found in self.answered(answer, split, labelled=False):
            for row in np.flatnonzero(batch["example_weights"]):
                number = int(batch["index"][row])
                choices = examples.choices[number]
                chances = found["probabilities"][row][: len(choices)]
                yield {
                    "origin": examples.origins[number],
                    "choice": (best := int(chances.argmax())),
                    "text": choices[best],
                    "probabilities": [round(float(p), 6) for p in chances],
                }

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        room = max(example["room"] for example in examples)
        rows = [row for e in examples for row in [*e["rows"], *e["rows"][:1] * (room - len(e["rows"]))]]
        flat = self.padded(rows, longest)
        del flat["index"]
        batch = {name: x.reshape(len(examples), room, *x.shape[1:]) for name, x in flat.items()}  # [B C ...]
        batch["choice_mask"] = np.asarray([[n < len(e["rows"]) for n in range(room)] for e in examples])
        batch["index"] = np.asarray([e["index"] for e in examples], np.int32)
        if "label" in examples[0]:
            batch["labels"] = np.asarray([e["label"] for e in examples], np.int32)
        return batch

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> ChoiceExamples:
        data = self.config.data
        label = data.label if labelled else None
        fields = tuple(field for field in (data.text, data.text_pair, data.choices, label) if field)
        examples = choice_examples(
            read_split(data, split, fields=fields),
            self.tokenizer,
            length=data.length,
            text=data.text,
            question=data.text_pair,
            choices=data.choices,
            label=label,
            blank=data.blank,
        )
        print(
            f"{split}: {len(examples)} questions with up to {examples.most} choices, median "
            f"{int(np.median(examples.lengths))} tokens, {examples.truncated} rows cut at {data.length}",
            flush=True,
        )
        return examples
