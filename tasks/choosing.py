"""What tasks share that choose one of the answers each example offers."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from errors import InputError
from ops.losses import correct_sums, cross_entropy_sums
from tasks.examples import ExampleTask, labelled_identity
from tasks.task import Answer, Totals
from tasks.texts import read_split


class Choosing(ExampleTask):
    """A softmax over scores of the choices; examples may offer different numbers of them.

    Its examples have `choices`, the texts of each, `most`, the greatest number of them, and `origins`; its batches
    "choice_mask" [B C], true where there is a choice.
    """

    exports: ClassVar[bool] = False
    score_names: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    def __post_init__(self):
        super().__post_init__()
        config = self.config
        if not config.data.choices:
            raise InputError("data.choices must name the field that holds the answers to choose from")
        if config.data.classes or config.data.outside:
            raise InputError(f"{config.task} has choices: leave data.classes and data.outside empty")

    @property
    def identity(self) -> dict[str, Any]:
        return labelled_identity(self.tokenizer, self.examples("train"))

    def _read(self, split: str, make: Callable[..., Any], *, labelled: bool, **more: Any) -> Any:
        """What `make`, choice_examples or candidate_examples, makes of the split's records."""
        data = self.config.data
        label = data.label if labelled else None
        fields = tuple(field for field in (data.text, data.text_pair, data.choices, label) if field)
        named = {"text": data.text, "question": data.text_pair, "choices": data.choices, "label": label}
        records = read_split(data, split, fields=fields)
        return make(records, self.tokenizer, length=data.length, **named, **more)

    @abstractmethod
    def logits(
        self, model: nnx.Module, batch: Mapping[str, jax.Array], rngs: nnx.Rngs | None
    ) -> Float[jax.Array, "B C"]:
        """The score of each choice, `ops.attention.MASKED` where there is none."""

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
        for number, found in self.answered_rows(answer, split, labelled=False):
            choices = examples.choices[number]
            chances = found["probabilities"][0][: len(choices)]
            yield {
                "origin": examples.origins[number],
                "choice": (best := int(chances.argmax())),
                "text": choices[best],
                "probabilities": [round(float(p), 6) for p in chances],
            }
