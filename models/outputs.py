"""What a net answers with; each is a pytree."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float


class EncoderOutput(NamedTuple):
    last_hidden_state: Float[Array, "B S D"]


class PooledOutput(NamedTuple):
    last_hidden_state: Float[Array, "B S D"]
    pooler_output: Float[Array, "B D"]


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


class TokenClassifierOutput(NamedTuple):
    """`logits` are float32."""

    logits: Float[Array, "B S C"]
    last_hidden_state: Float[Array, "B S D"]


class SpanOutput(NamedTuple):
    """float32 logits of the first and of the last token of an answer."""

    start_logits: Float[Array, "B S"]
    end_logits: Float[Array, "B S"]
    last_hidden_state: Float[Array, "B S D"]
