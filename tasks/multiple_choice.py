"""Which of some answers is right, about a text: each is scored in a row of its own (Liu et al. 2019, section 5.3).

python train.py --config=configs/multiple_choice.py:base --config.init_from=roberta-base --config.data.prepare=True
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from data.choices import ChoiceExamples, choice_examples
from ops.attention import MASKED
from tasks.choosing import Choosing
from tasks.inputs import encoder_inputs, pad_rows
from tasks.task import Batch
from tasks.whole_texts import WholeTexts


class MultipleChoice(Choosing, WholeTexts):
    """One of the choices of each example, by a softmax over their scores.

    The fields are `data.text`, `data.text_pair` (the question; "" = there is none), `data.choices` and `data.label`.
    Questions may have different numbers of choices: a split's batches have room for its most.
    """

    classes: ClassVar[tuple[str, ...]] = ()

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

    def collate(self, examples: Sequence[dict[str, Any]], longest: int | None = None) -> Batch:
        room = max(each["room"] for each in examples)
        filled = [each | {"rows": each["rows"] + each["rows"][:1] * (room - len(each["rows"]))} for each in examples]
        batch = pad_rows(self.padded, filled, longest)
        batch["choice_mask"] = np.asarray([[n < len(each["rows"]) for n in range(room)] for each in examples])
        return batch

    @cache  # noqa: B019  (a task lives as long as its process)
    def examples(self, split: str, *, labelled: bool = True) -> ChoiceExamples:
        examples = self._read(split, choice_examples, labelled=labelled, blank=self.config.data.blank)
        print(
            f"{split}: {len(examples)} questions with up to {examples.most} choices, median "
            f"{int(np.median(examples.lengths))} tokens, {examples.truncated} rows cut at {self.config.data.length}",
            flush=True,
        )
        return examples
