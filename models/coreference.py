"""Which spans of a text are mentions, and which mention each goes back to, by the vectors of their two ends alone."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from errors import InputError
from models.config import TransformerConfig
from models.layers import dense, norm, split_key
from models.outputs import CoreferenceOutput
from models.stack import Encoder
from ops.attention import MASKED
from ops.dropout import dropout


class End(nnx.Module):
    """`dropout(norm(gelu(dense(x))))`: what a token says of spans that begin, or that end, at it."""

    def __init__(self, cfg: TransformerConfig, *, width: int, dropout_rate: float, rngs: nnx.Rngs):
        self.dense = dense(cfg, cfg.width, width, rngs=rngs, use_bias=True)
        self.norm = norm(cfg, width)
        self.rate = dropout_rate

    def __call__(self, x: Float[Array, "*N D"], key: Array | None) -> Float[Array, "*N E"]:
        return dropout(self.norm(jax.nn.gelu(self.dense(x), approximate=False)), self.rate, key)


class MentionHead(nnx.Module):
    """A float32 logit for each span of up to L tokens: `v f + u l + f B l`, of what its first (f) and last (l) say.

    Source: Kirstain et al. 2021, equation 1, and code (biases, norms).
    """

    def __init__(self, cfg: TransformerConfig, *, width: int, tokens: int, dropout_rate: float, rngs: nnx.Rngs):
        how = {"width": width, "dropout_rate": dropout_rate, "rngs": rngs}
        self.first, self.last = End(cfg, **how), End(cfg, **how)
        self.of_first = dense(cfg, width, 1, rngs=rngs, use_bias=True)
        self.of_last = dense(cfg, width, 1, rngs=rngs, use_bias=True)
        self.pair = dense(cfg, width, width, rngs=rngs, use_bias=True)
        self.tokens = tokens

    def __call__(self, x: Float[Array, "B S D"], key: Array | None) -> Float[Array, "B S L"]:
        """At [b, s, l] the span of tokens s to s + l; any number where that passes the row's end."""
        of_first, of_last = split_key(key, 2)
        first, last = self.first(x, of_first), self.last(x, of_last)
        turned, ahead = self.pair(first), jnp.pad(last, ((0, 0), (0, self.tokens - 1), (0, 0)))

        @jax.checkpoint
        def together(more: Array) -> Float[Array, "B S"]:
            here = jax.lax.dynamic_slice_in_dim(ahead, more, x.shape[1], axis=1)
            return (turned * here).sum(-1, dtype=jnp.float32)

        pairs = jax.lax.map(together, jnp.arange(self.tokens))  # [L B S]
        alone = self.of_first(first).astype(jnp.float32)  # [B S 1]
        ends = self.of_last(last).astype(jnp.float32)[..., 0]
        return jnp.moveaxis(pairs, 0, -1) + alone + _ahead(ends, self.tokens)


class AntecedentHead(nnx.Module):
    """A float32 logit for each pair of mentions: all four products of their ends, each with a matrix of its own.

    Source: Kirstain et al. 2021, equation 2, its four matrices side by side as one.
    """

    def __init__(self, cfg: TransformerConfig, *, width: int, dropout_rate: float, rngs: nnx.Rngs):
        how = {"width": width, "dropout_rate": dropout_rate, "rngs": rngs}
        self.first, self.last = End(cfg, **how), End(cfg, **how)
        self.pair = dense(cfg, 2 * width, 2 * width, rngs=rngs, use_bias=True)

    def __call__(
        self, first: Float[Array, "B K D"], last: Float[Array, "B K D"], key: Array | None
    ) -> Float[Array, "B K K"]:
        """At [b, k, j], of mention k and the one that it may go back to, j."""
        of_first, of_last = split_key(key, 2)
        ends = jnp.concatenate([self.first(first, of_first), self.last(last, of_last)], axis=-1)  # [B K 2E]
        return jnp.einsum("bke,bje->bkj", self.pair(ends), ends, preferred_element_type=jnp.float32)


class CoreferenceModel(nnx.Module):
    """An encoder, and on it what finds mentions and links them.

    Of all spans of whole words within a sentence, of up to `mention_tokens` tokens, the `kept` best for each token of
    the row go on. `width` is E, the size of what is said of an end; 0 is the net's. Ends are normalized and the maps
    begin at a deviation of 0.02, so that the logits of mentions begin at one of 0.02 E, 61 for the paper's E of 3,072,
    and those of pairs above that.

    Source: Kirstain et al. 2021, section 3; there each token has a vector of a Longformer.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        mention_tokens: int,
        kept: float,
        width: int = 0,
        dropout_rate: float = 0.0,
        rngs: nnx.Rngs,
    ):
        if mention_tokens < 1:
            raise InputError(f"model.mention_tokens={mention_tokens} must be at least 1")
        if not 0 < kept <= 1:
            raise InputError(f"model.mentions_kept={kept} is a share of the tokens, above 0 and at most 1")
        self.encoder = encoder
        how = {"width": width or encoder.cfg.width, "dropout_rate": dropout_rate, "rngs": rngs}
        self.mentions = MentionHead(encoder.cfg, tokens=mention_tokens, **how)
        self.antecedents = AntecedentHead(encoder.cfg, **how)
        self.kept = kept

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"],
        sentence_ids: Int[Array, "B S"],
        word_begins: Int[Array, "B S"],
        word_ends: Int[Array, "B S"],
        rngs: nnx.Rngs | None = None,
        **inputs: Array | None,
    ) -> CoreferenceOutput:
        """The last four are as in data/coreference.py; the rest of `inputs` is the encoder's."""
        x = self.encoder(input_ids, attention_mask=attention_mask, rngs=rngs, **inputs).last_hidden_state
        of_mentions, of_pairs = split_key(None if rngs is None else rngs.dropout(), 2)
        logits = self.mentions(x, of_mentions)  # [B S L]
        length = self.mentions.tokens
        may = (word_begins[:, :, None] != 0) & (_ahead(word_ends, length) != 0)
        may &= sentence_ids[:, :, None] == _ahead(sentence_ids, length)
        room, most = self.room(attention_mask), self.most(x.shape[1])
        first, last, kept, mention = likeliest_spans(logits, may, room=room, most=most)
        pairs = self.antecedents(_at(x, first), _at(x, last), of_pairs)
        pairs = pairs + mention[:, :, None] + mention[:, None, :]
        places = jnp.arange(pairs.shape[1])
        before = kept[:, None, :] & (places[None, :, None] > places[None, None, :])
        none = jnp.zeros((*pairs.shape[:2], 1), jnp.float32)
        return CoreferenceOutput(first, last, kept, jnp.concatenate([none, jnp.where(before, pairs, MASKED)], -1), x)

    def most(self, tokens: int) -> int:
        """K: mentions that a row of so many tokens keeps."""
        return max(1, int(self.kept * tokens))

    def room(self, attention_mask: Int[Array, "B S"]) -> Int[Array, "B"]:
        """Likewise by each row's real tokens, so that padding changes nothing."""
        return jnp.maximum(1, (self.kept * (attention_mask != 0).sum(1)).astype(jnp.int32))


def likeliest_spans(
    logits: Float[Array, "B S L"], may: Bool[Array, "B S L"], *, room: Int[Array, "B"], most: int
) -> tuple[Int[Array, "B K"], Int[Array, "B K"], Bool[Array, "B K"], Float[Array, "B K"]]:
    """The `room` spans of greatest logit among those that `may` be: first and last token, whether there is one, logit.

    They come by their first token, then by their last; what is none comes after them, with a logit of 0.
    """
    width = logits.shape[2]
    flat = jnp.where(may, logits, -jnp.inf).reshape(len(logits), -1)
    values, at = jax.lax.top_k(jax.lax.stop_gradient(flat), min(most, flat.shape[1]))
    there = (values > -jnp.inf) & (jnp.arange(values.shape[1])[None] < room[:, None])
    at = jnp.sort(jnp.where(there, at, flat.shape[1]), axis=1)
    kept = at < flat.shape[1]
    at = jnp.where(kept, at, 0)
    told = jnp.take_along_axis(logits.reshape(len(logits), -1), at, axis=1)
    first, more = at // width, at % width
    return first, jnp.where(kept, first + more, 0), kept, jnp.where(kept, told, 0.0)


def _ahead(x: Array, length: int) -> Array:
    """[B S] into [B S L]: at [b, s, l] what stands l places on, 0 after the end."""
    beyond = jnp.pad(x, ((0, 0), (0, length - 1)))
    return jnp.stack([beyond[:, more : more + x.shape[1]] for more in range(length)], axis=-1)


def _at(x: Float[Array, "B S D"], places: Int[Array, "B K"]) -> Float[Array, "B K D"]:
    return jnp.take_along_axis(x, places[:, :, None], axis=1)
