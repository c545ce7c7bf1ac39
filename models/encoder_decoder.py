"""A net that reads one text and writes another: the first Transformer's form, T5's, BART's, and with windows LED's."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.attention import FullView
from models.cache import Cache, empty_cache, kept_within, next_places, next_view
from models.config import EncoderDecoderConfig, LongformerConfig
from models.decoder import Decoder, DecoderView
from models.embeddings import place_ids
from models.longformer import Longformer
from models.outputs import EncoderDecoderOutput, EncoderOutput, Request
from models.relative import relative_bias
from models.stack import real_tokens
from models.transformer import Transformer, visible_pairs
from ops.masks import padding_mask


class EncoderDecoder(nnx.Module):
    """Both halves look words up in one table, the encoder's.

    Source: Vaswani et al. 2017, section 3; Beltagy et al. 2020, section 7 (LED: the encoder is a Longformer).
    """

    def __init__(self, cfg: EncoderDecoderConfig, *, rngs: nnx.Rngs):
        self.cfg = cfg
        read = Longformer if isinstance(cfg.encoder, LongformerConfig) else Transformer
        self.encoder = read(cfg.encoder, rngs=rngs)
        self.decoder = Decoder(cfg.decoder, rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        decoder_input_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B S"] | None = None,
        decoder_attention_mask: Int[Array, "B T"] | None = None,
        rngs: nnx.Rngs | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        **inputs: Array | None,
    ) -> EncoderDecoderOutput:
        """`decoder_input_ids`: what is written, moved one place to the right behind a first token. Masks are 1 at real
        tokens; the rest of `inputs` (`global_attention_mask`) is the encoder's. Without `rngs` nothing is dropped out.

        Raises:
          InputError: while tracing, for a row longer than a learned position table.
        """
        request = Request(output_hidden_states, output_attentions)
        asked = {"output_hidden_states": output_hidden_states, "output_attentions": output_attentions}
        read = self.encoder(input_ids, attention_mask=attention_mask, rngs=rngs, **asked, **inputs)
        cfg, length = self.cfg.decoder, decoder_input_ids.shape[1]
        real = None if decoder_attention_mask is None else decoder_attention_mask != 0
        places = place_ids(cfg, decoder_input_ids, None, real=real)
        own = FullView(
            mask=visible_pairs(decoder_input_ids, decoder_attention_mask, None, causal=True),
            places=places if cfg.positions == "rotary" else None,
            bias=relative_bias(self.decoder, jnp.arange(length), length),
        )
        view = DecoderView(own, read.last_hidden_state, _real_keys(attention_mask, inputs))
        words = self.encoder.embeddings.word(decoder_input_ids)
        wrote = self.decoder(words, places, view, rngs=rngs, request=request)
        return EncoderDecoderOutput(
            last_hidden_state=wrote.last_hidden_state,
            encoder_last_hidden_state=read.last_hidden_state,
            decoder_hidden_states=wrote.hidden_states,
            decoder_attentions=wrote.attentions,
            cross_attentions=wrote.cross_attentions,
            encoder_hidden_states=read.hidden_states,
            encoder_attentions=read.attentions,
        )

    def start(
        self,
        input_ids: Int[Array, "B S"],
        *,
        capacity: int,
        attention_mask: Int[Array, "B S"] | None = None,
        **inputs: Array | None,
    ) -> Cache:
        """Reads a text, for up to `capacity` tokens to be written by `step`.

        Raises:
          InputError: the decoder has places for fewer tokens.
        """
        self.cfg.decoder.check_length(capacity, what="a text to write")
        read: EncoderOutput = self.encoder(input_ids, attention_mask=attention_mask, **inputs)
        layers = self.decoder.empty_caches(read.last_hidden_state, capacity)
        return empty_cache(input_ids.shape[0], layers, capacity=capacity, read=_real_keys(attention_mask, inputs))

    def step(
        self, tokens: Int[Array, "B T"], cache: Cache, *, attention_mask: Int[Array, "B T"] | None = None
    ) -> tuple[Float[Array, "B T D"], Cache]:
        """As `Transformer.step`; rows may be more than there are texts that were read, see `Cache.widened`."""
        cfg, (real, places) = self.cfg.decoder, next_places(tokens, cache, attention_mask)
        own, seen = next_view(real, cache)
        bias = relative_bias(self.decoder, cache.filled + jnp.arange(tokens.shape[1]), seen.shape[1])
        places = places + cfg.padding_place + 1
        own = own._replace(places=places if cfg.positions == "rotary" else None, bias=bias)
        view = DecoderView(own, None, cache.read)
        wrote = self.decoder(self.encoder.embeddings.word(tokens), places, view, caches=cache.layers)
        x = kept_within(wrote.last_hidden_state, cache)
        return x, cache.after(real, wrote.caches, seen)


def _real_keys(
    attention_mask: Int[Array, "B S"] | None, inputs: Mapping[str, Array | None]
) -> Bool[Array, "B 1 S"] | None:
    """Those of the text that is read, whole: what is written sees all of its segments, and no padding."""
    real = real_tokens(attention_mask, inputs.get("segment_ids"))
    return None if real is None else padding_mask(real)
