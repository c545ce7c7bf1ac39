"""What a net answers with; each is a pytree."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float


class EncoderOutput(NamedTuple):
    last_hidden_state: Float[Array, "B S D"]


class MaskedLMOutput(NamedTuple):
    """`logits` are float32 and stand at the asked positions (P), or at all (S) where none were asked."""

    logits: Float[Array, "B P V"]
    last_hidden_state: Float[Array, "B S D"]


class ClassifierOutput(NamedTuple):
    """`logits` are float32."""

    logits: Float[Array, "B C"]
    last_hidden_state: Float[Array, "B S D"]
