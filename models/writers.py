"""What stands on a net that writes: the next word's logits; and what else is told from an encoder-decoder."""

from abc import abstractmethod

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from errors import InputError
from models.cache import Cache
from models.config import LongformerConfig
from models.encoder_decoder import EncoderDecoder
from models.few_rows import laid_out
from models.heads import ClassificationHead, pooled
from models.layers import dense
from models.outputs import (
    CausalLMOutput,
    EncoderDecoderOutput,
    GeneratorOutput,
    LogitFactors,
    TextClassifierOutput,
    TextSpanOutput,
)
from models.prompts import READ, Prompts
from models.stack import Encoder


class Writer(nnx.Module):
    """What is told of the next word, in whole texts and step by step; a subclass says on which net it stands.

    The logits are `factor * x @ table.T + bias`, x being the net's last hidden state.
    """

    @property
    @abstractmethod
    def writing(self) -> nnx.Module:
        """The net that writes."""

    @property
    @abstractmethod
    def prompts(self) -> Prompts:
        """What it writes from."""

    @abstractmethod
    def logits(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        """Of last hidden states, in float32."""

    @abstractmethod
    def last_map(self) -> tuple[float, Float[Array, "V D"], Float[Array, "V"]]:
        """factor, table and bias."""

    def factors(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | None
    ) -> LogitFactors:
        """What the logits are products of: for a loss that never holds all of them (`ops.losses.chunked_sums`)."""
        x, (factor, table, bias) = self.writing(input_ids, rngs=rngs, **inputs).last_hidden_state, self.last_map()
        return LogitFactors(x * jnp.asarray(factor, x.dtype), table, bias)

    def for_steps(self) -> "Writer":
        """The same model laid out for many steps of a few rows (`few_rows.laid_out`); nothing to train."""
        return laid_out(self)

    def step(
        self,
        tokens: Int[Array, "B T"],
        cache: Cache,
        *,
        attention_mask: Int[Array, "B T"] | None = None,
        last: bool = False,
    ) -> tuple[Float[Array, "B #T V"], Cache]:
        """The logits after each of the next T tokens, or after the `last` of them alone; as the net's `step`."""
        x, cache = self.writing.step(tokens, cache, attention_mask=attention_mask)
        return self.logits(x[:, -1:] if last else x), cache


class CausalLM(Writer):
    """A causal net that tells the next token; the table of words is the last matrix too.

    Source: Radford et al. 2019, section 2.3.
    """

    def __init__(self, encoder: Encoder, *, rngs: nnx.Rngs):
        if not encoder.cfg.causal:
            raise InputError("a language model that writes is causal: set causal")
        self.encoder = encoder

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> CausalLMOutput:
        found = self.encoder(input_ids, rngs=rngs, **inputs)
        return CausalLMOutput(self.logits(found.last_hidden_state), *found)

    @property
    def writing(self) -> Encoder:
        return self.encoder

    @property
    def prompts(self) -> Prompts:
        return Prompts(False, self.encoder.cfg.vocab_size)

    def logits(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        return self.encoder.embeddings.attend(x)

    def last_map(self) -> tuple[float, Float[Array, "V D"], Float[Array, "V"]]:
        table = self.encoder.embeddings.word.embedding[...]
        return 1.0, table, jnp.zeros(table.shape[0], jnp.float32)

    def start(self, batch: int, capacity: int) -> Cache:
        """As `Transformer.empty_cache`, or the Longformer's.

        Raises:
          InputError: also for a net that has no step.
        """
        if not hasattr(self.encoder, "step"):
            raise InputError(f"{type(self.encoder).__name__} has no step to write by: choose transformer or longformer")
        return self.encoder.empty_cache(batch, capacity)


class TextReader(nnx.Module):
    """An encoder-decoder alone."""

    def __init__(self, net: EncoderDecoder, *, rngs: nnx.Rngs):
        self.net = net

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> EncoderDecoderOutput:
        return self.net(input_ids, rngs=rngs, **inputs)


class Generator(Writer):
    """An encoder-decoder that tells the next word of what it writes.

    `tied`: the last matrix is the table of words; else one of its own. `scaled`: the last hidden state is multiplied by
    `width ** -0.5` before it (T5 1.0). `biased`: a number for each word is added (BART).

    Source: Raffel et al. 2020, code; Lewis et al. 2019, section 2.
    """

    writes = True

    def __init__(
        self, net: EncoderDecoder, *, tied: bool = True, scaled: bool = False, biased: bool = False, rngs: nnx.Rngs
    ):
        self.net = net
        cfg = net.cfg.decoder
        if not tied:
            self.output = dense(cfg, cfg.width, cfg.vocab_size, rngs=rngs, use_bias=False)
        if biased:
            self.bias = nnx.Param(jnp.zeros((1, cfg.vocab_size), jnp.float32))
        self.factor = cfg.width**-0.5 if scaled else 1.0

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> GeneratorOutput:
        found = self.net(input_ids, rngs=rngs, **inputs)
        return GeneratorOutput(self.logits(found.last_hidden_state), *found)

    def for_steps(self) -> "Generator":
        turned = super().for_steps()
        embeddings = turned.net.encoder.embeddings
        turned.net.encoder = nnx.clone(self.net.encoder)  # which reads whole texts; its table gives the logits
        turned.net.encoder.embeddings = embeddings
        return turned

    def start(self, input_ids: Int[Array, "B S"], *, capacity: int, **inputs: Array | None) -> Cache:
        """As `EncoderDecoder.start`."""
        return self.net.start(input_ids, capacity=capacity, **inputs)

    @property
    def writing(self) -> EncoderDecoder:
        return self.net

    @property
    def prompts(self) -> Prompts:
        cfg = self.net.cfg.encoder
        marked = ("global_attention_mask",) if isinstance(cfg, LongformerConfig) else ()
        return Prompts(True, cfg.vocab_size, (*READ, *marked), cfg.max_global_tokens if marked else 0)

    def last_map(self) -> tuple[float, Float[Array, "V D"], Float[Array, "V"]]:
        words = self.net.encoder.embeddings.word.embedding
        table = self.output.kernel[...].T if hasattr(self, "output") else words[...]
        bias = self.bias[...][0] if hasattr(self, "bias") else jnp.zeros(table.shape[0], jnp.float32)
        return self.factor, table, bias

    def logits(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        x = x * jnp.asarray(self.factor, x.dtype)
        found = self.output(x).astype(jnp.float32) if hasattr(self, "output") else self.net.encoder.embeddings.attend(x)
        return found + self.bias[...][None] if hasattr(self, "bias") else found


class TextClassifier(nnx.Module):
    """An encoder-decoder that reads a text, writes it again, and tells one of `classes` from its last real token.

    Source: Lewis et al. 2019, section 3.1.
    """

    def __init__(self, net: EncoderDecoder, *, classes: int, dropout_rate: float, rngs: nnx.Rngs):
        self.net = net
        how = {"classes": classes, "dropout_rate": dropout_rate, "kind": "tanh"}
        self.head = ClassificationHead(net.cfg.decoder, **how, rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | bool | None,
    ) -> TextClassifierOutput:
        """The text must end on the token that ends a sentence, and `decoder_input_ids` be of its length."""
        found = self.net(input_ids, attention_mask=attention_mask, rngs=rngs, **inputs)
        x = pooled(found.last_hidden_state, attention_mask, "last")
        return TextClassifierOutput(self.head(x, None if rngs is None else rngs.dropout()), *found)


class TextSpanFinder(nnx.Module):
    """An encoder-decoder that tells where an answer begins and ends in what it writes again.

    Source: Lewis et al. 2019, section 5.1.
    """

    def __init__(self, net: EncoderDecoder, *, rngs: nnx.Rngs):
        self.net = net
        self.output = dense(net.cfg.decoder, net.cfg.decoder.width, 2, rngs=rngs, use_bias=True)

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> TextSpanOutput:
        found = self.net(input_ids, rngs=rngs, **inputs)
        logits = self.output(found.last_hidden_state).astype(jnp.float32)
        return TextSpanOutput(logits[..., 0], logits[..., 1], *found)
