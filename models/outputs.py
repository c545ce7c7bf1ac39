"""What a net answers with; each is a pytree.

`hidden_states` and `attentions` are there on request (`output_hidden_states=True`, `output_attentions=True`): what the
embeddings gave and what each layer gave, bottom layer first, the last one after the net's last norm if it has one; and
each layer's probabilities, for all pairs of tokens, without dropout.
"""

from typing import NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int

Hidden = tuple[Float[Array, "B S D"], ...] | None
Attentions = tuple[Float[Array, "B H T S"], ...] | None


class Request(NamedTuple):
    """What a call asks for beside the answer."""

    hidden_states: bool = False
    attentions: bool = False


NOTHING = Request()


class EncoderOutput(NamedTuple):
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class PooledOutput(NamedTuple):
    pooler_output: Float[Array, "B D"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class MatchOutput(NamedTuple):
    """`vectors` are those of the two texts."""

    logits: Float[Array, "B C"]
    vectors: Float[Array, "B 2 D"]


class MaskedLMOutput(NamedTuple):
    """`logits` are float32 and stand at the asked positions (P), or at all (S) where none were asked."""

    logits: Float[Array, "B P V"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class LogitFactors(NamedTuple):
    """Logits not multiplied out, for a loss that makes a few at a time: `x @ table.T + bias`, in the type of x."""

    x: Float[Array, "B P D"]
    table: Float[Array, "V D"]
    bias: Float[Array, "V"]


class CausalLMOutput(NamedTuple):
    """`logits` are float32; those at a token are of the next one."""

    logits: Float[Array, "B S V"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class ClassifierOutput(NamedTuple):
    """`logits` are float32."""

    logits: Float[Array, "B C"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class TokenClassifierOutput(NamedTuple):
    """`logits` are float32."""

    logits: Float[Array, "B S C"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class SpanOutput(NamedTuple):
    """float32 logits of the first and of the last token of an answer."""

    start_logits: Float[Array, "B S"]
    end_logits: Float[Array, "B S"]
    last_hidden_state: Float[Array, "B S D"]
    hidden_states: Hidden = None
    attentions: Attentions = None


class CoreferenceOutput(NamedTuple):
    """The mentions that are kept, in the order of the text: first and last token, whether there is one at all, and the
    float32 logits of what it goes back to: nothing (0), or the mention before it at place k - 1 (k).
    """

    first_tokens: Int[Array, "B K"]
    last_tokens: Int[Array, "B K"]
    kept: Bool[Array, "B K"]
    antecedent_logits: Float[Array, "B K A"]
    last_hidden_state: Float[Array, "B S D"]


class EncoderDecoderOutput(NamedTuple):
    """`last_hidden_state`, hidden states and attentions are of both halves; `cross_attentions` are [B H T S]."""

    last_hidden_state: Float[Array, "B T D"]
    encoder_last_hidden_state: Float[Array, "B S D"]
    decoder_hidden_states: Hidden = None
    decoder_attentions: Attentions = None
    cross_attentions: Attentions = None
    encoder_hidden_states: Hidden = None
    encoder_attentions: Attentions = None


class GeneratorOutput(NamedTuple):
    """As `EncoderDecoderOutput`; `logits` are float32, those at a token of the next one."""

    logits: Float[Array, "B T V"]
    last_hidden_state: Float[Array, "B T D"]
    encoder_last_hidden_state: Float[Array, "B S D"]
    decoder_hidden_states: Hidden = None
    decoder_attentions: Attentions = None
    cross_attentions: Attentions = None
    encoder_hidden_states: Hidden = None
    encoder_attentions: Attentions = None


class TextClassifierOutput(NamedTuple):
    """As `EncoderDecoderOutput`; `logits` are float32."""

    logits: Float[Array, "B C"]
    last_hidden_state: Float[Array, "B T D"]
    encoder_last_hidden_state: Float[Array, "B S D"]
    decoder_hidden_states: Hidden = None
    decoder_attentions: Attentions = None
    cross_attentions: Attentions = None
    encoder_hidden_states: Hidden = None
    encoder_attentions: Attentions = None


class TextSpanOutput(NamedTuple):
    """As `EncoderDecoderOutput`; float32 logits of the first and of the last token of an answer."""

    start_logits: Float[Array, "B T"]
    end_logits: Float[Array, "B T"]
    last_hidden_state: Float[Array, "B T D"]
    encoder_last_hidden_state: Float[Array, "B S D"]
    decoder_hidden_states: Hidden = None
    decoder_attentions: Attentions = None
    cross_attentions: Attentions = None
    encoder_hidden_states: Hidden = None
    encoder_attentions: Attentions = None
