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


class MaskedLMFactors(NamedTuple):
    """Logits not multiplied out, for a loss that makes a few at a time: `x @ table.T + bias`, in the type of x."""

    x: Float[Array, "B P D"]
    table: Float[Array, "V D"]
    bias: Float[Array, "V"]


class ClassifierOutput(NamedTuple):
    """`logits` are float32."""

    logits: Float[Array, "B C"]
    last_hidden_state: Float[Array, "B S D"]
