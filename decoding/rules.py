"""Which tokens may come next, and how likely they are made: what stands in the settings for every way of writing."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from decoding.settings import Settings
from decoding.writer import Text


def ruled(scores: Float[Array, "B V"], text: Text, new: Int[Array, ""], settings: Settings) -> Float[Array, "B V"]:
    """Logits or log probabilities of the next token with the rules applied, in transformers' order; -inf forbids.

    `new`: how many tokens of the text are new.
    """
    if settings.repetition_penalty != 1:
        scores = _repeated(scores, text, settings.repetition_penalty)
    if settings.no_repeat_ngram_size:
        scores = jnp.where(_would_repeat(text, settings.no_repeat_ngram_size, scores.shape[1]), -jnp.inf, scores)
    if settings.min_new_tokens and settings.ends:
        scores = jnp.where((new < settings.min_new_tokens) & _listed(settings.ends, scores), -jnp.inf, scores)
    if settings.forced_bos_token_id is not None:
        scores = _forced(scores, settings.forced_bos_token_id, new == 0)
    if settings.forced_eos_token_id is not None:
        scores = _forced(scores, settings.forced_eos_token_id, new == settings.max_new_tokens - 1)
    if settings.suppress_tokens:
        scores = jnp.where(_listed(settings.suppress_tokens, scores), -jnp.inf, scores)
    return scores


def ends_text(tokens: Int[Array, "*N"], settings: Settings) -> Bool[Array, "*N"]:
    found = jnp.zeros(tokens.shape, bool)
    for each in settings.ends:
        found = found | (tokens == each)
    return found


def _listed(ids: tuple[int, ...], scores: Float[Array, "B V"]) -> Bool[Array, "1 V"]:
    return jnp.zeros((1, scores.shape[1]), bool).at[:, jnp.asarray(ids)].set(True)


def _forced(scores: Float[Array, "B V"], token: int, now: Bool[Array, ""]) -> Float[Array, "B V"]:
    """Of that token alone, with certainty."""
    alone = jnp.full((1, scores.shape[1]), -jnp.inf, scores.dtype).at[:, token].set(0)
    return jnp.where(now, alone, scores)


def _marked(tokens: Int[Array, "B L"], which: Bool[Array, "B L"], size: int) -> Bool[Array, "B V"]:
    """Which of the vocabulary are among the tokens of a row that `which` tells."""
    nothing = jnp.zeros((tokens.shape[0], size), bool)
    return jax.vmap(lambda row, at: row.at[at].set(True, mode="drop"))(nothing, jnp.where(which, tokens, size))


def _repeated(scores: Float[Array, "B V"], text: Text, penalty: float) -> Float[Array, "B V"]:
    less = jnp.where(scores < 0, scores * penalty, scores / penalty)
    return jnp.where(_marked(text.tokens, text.real, scores.shape[1]), less, scores)


def _would_repeat(text: Text, size: int, vocabulary: int) -> Bool[Array, "B V"]:
    """Tokens that would end a run of `size` which stands in the text already. A run with padding in it is none."""
    L = text.tokens.shape[1]
    if size > L:
        return jnp.zeros((text.tokens.shape[0], vocabulary), bool)
    starts = L - size + 1
    same = text.real[:, size - 1 :]  # [B starts]: the run that begins there, token by token
    for place in range(size - 1):
        at = jnp.maximum(text.at - size + 1 + place, 0)
        last = jax.lax.dynamic_slice_in_dim(text.tokens, at, 1, 1)
        known = jax.lax.dynamic_slice_in_dim(text.real, at, 1, 1)
        here = slice(place, place + starts)
        same = same & (text.tokens[:, here] == last) & text.real[:, here] & known
    same = same & (text.at >= size - 1)
    return _marked(text.tokens[:, size - 1 :], same, vocabulary)
