"""Beam search: the likeliest texts among those that a few running ones can become."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from decoding.rules import ends_text, ruled
from decoding.settings import Settings
from decoding.writer import Prompt, Text, Writer, Written
from errors import InputError


class Finished(NamedTuple):
    """The best N texts of each row that have ended, best first; a score of -inf where there is none yet."""

    tokens: Int[Array, "B N M"]
    scores: Float[Array, "B N"]
    lengths: Int[Array, "B N"]


class Search(NamedTuple):
    """The N running texts of each row, next to each other in `text`, with their log probabilities, best first."""

    text: Text
    scores: Float[Array, "B N"]
    finished: Finished
    hopeful: Bool[Array, "B"]  # whether a running text may still become better than a finished one
    cache: Any


def search(model: Writer, prompt: Prompt, settings: Settings) -> Written:
    """The `num_return_sequences` best texts found for each row."""
    logits, cache = model.step(prompt.tokens, prompt.cache, attention_mask=prompt.attention_mask, last=True)
    settings.check_vocabulary(logits.shape[-1])
    B, beams, most = logits.shape[0], settings.num_beams, settings.max_new_tokens
    if _candidates(settings) > beams * logits.shape[-1]:
        raise InputError(f"eos_token_id names {len(settings.ends)} of {logits.shape[-1]} tokens: no text could go on")
    text = prompt.text(settings)
    text = Text(*(jnp.repeat(each, beams, 0) for each in text[:2]), text.at)
    alone = jnp.full((B, beams), -jnp.inf, logits.dtype).at[:, 0].set(0)  # the others would be the same again
    none = Finished(
        jnp.full((B, beams, most), settings.pad_token_id, jnp.int32),
        jnp.full((B, beams), -jnp.inf, logits.dtype),
        jnp.zeros((B, beams), jnp.int32),
    )
    state = Search(text, alone, none, jnp.ones(B, bool), cache.widened(beams))
    state = _grown(jnp.repeat(logits[:, -1], beams, 0), state, settings)

    def step(state: Search) -> Search:
        tokens = jax.lax.dynamic_slice_in_dim(state.text.tokens, state.text.at - 1, 1, 1)
        logits, cache = model.step(tokens, state.cache, last=True)
        return _grown(logits[:, -1], state._replace(cache=cache), settings)

    end = text.tokens.shape[1]
    state = jax.lax.while_loop(lambda state: (state.text.at < end) & _active(state, settings).any(), step, state)
    return Written(*(each[:, : settings.num_return_sequences] for each in state.finished))


def _candidates(settings: Settings) -> int:
    """So many that N remain to go on with if all others end."""
    return max(2, 1 + len(settings.ends)) * settings.num_beams


def _active(state: Search, settings: Settings) -> Bool[Array, "B"]:
    return state.hopeful & ~(_full(state) & (settings.early_stopping is True))


def _full(state: Search) -> Bool[Array, "B"]:
    return jnp.isfinite(state.finished.scores).all(1)


def _grown(logits: Float[Array, "B*N V"], state: Search, settings: Settings) -> Search:
    """The running texts with the tokens that make the best candidates: those that end are finished, others run on."""
    (B, N), V = state.scores.shape, logits.shape[1]
    new = state.text.at - (state.text.tokens.shape[1] - settings.max_new_tokens)
    likely = ruled(jax.nn.log_softmax(logits), state.text, new, settings).reshape(B, N, V)
    scores, index = jax.lax.top_k((likely + state.scores[:, :, None]).reshape(B, N * V), _candidates(settings))
    parent, token = index // V, (index % V).astype(jnp.int32)  # [B candidates]
    ends = ends_text(token, settings) | (new == settings.max_new_tokens - 1)
    running, at = jax.lax.top_k(jnp.where(ends, -jnp.inf, scores), N)
    finished = _finished(state, (scores, parent, token, ends), new, settings)
    parents, tokens = (jnp.take_along_axis(each, at, axis=1) for each in (parent, token))
    state = state._replace(
        text=_continued(state.text, parents, tokens),
        scores=running,
        finished=finished,
        cache=state.cache.rearranged(parents),
    )
    return state._replace(hopeful=state.hopeful & _hopeful(state, new + 1, settings))


def _finished(state: Search, candidates: tuple[Array, ...], new: Int[Array, ""], settings: Settings) -> Finished:
    """With the candidates that end now, if they are among the N best and better than those there are."""
    scores, parent, token, ends = candidates
    (B, N), most = state.scores.shape, settings.max_new_tokens
    may = ends & (jnp.arange(ends.shape[1]) < N)[None] & _active(state, settings)[:, None]
    scores = jnp.where(may, scores / (new + 1.0) ** settings.length_penalty, -jnp.inf)
    texts = state.text.tokens[:, -most:].reshape(B, N, most)
    texts = jnp.take_along_axis(texts, parent[:, :, None], axis=1)  # [B candidates M]
    texts = jax.lax.dynamic_update_slice_in_dim(texts, token[:, :, None], new, 2)
    ended = Finished(texts, scores, jnp.full(token.shape, new + 1, jnp.int32))
    every = Finished(*(jnp.concatenate(pair, 1) for pair in zip(state.finished, ended, strict=True)))
    best, at = jax.lax.top_k(every.scores, N)  # of equal ones the first, so that none is pushed out by nothing
    lengths = jnp.take_along_axis(every.lengths, at, axis=1)
    return Finished(jnp.take_along_axis(every.tokens, at[:, :, None], axis=1), best, lengths)


def _continued(text: Text, parents: Int[Array, "B N"], tokens: Int[Array, "B N"]) -> Text:
    rows = (jnp.arange(parents.shape[0])[:, None] * parents.shape[1] + parents).reshape(-1)
    before, real = text.tokens[rows], text.real[rows]
    before = jax.lax.dynamic_update_slice_in_dim(before, tokens.reshape(-1, 1), text.at, 1)
    real = jax.lax.dynamic_update_slice_in_dim(real, jnp.ones((rows.shape[0], 1), bool), text.at, 1)
    return Text(before, real, text.at + 1)


def _hopeful(state: Search, new: Int[Array, ""], settings: Settings) -> Bool[Array, "B"]:
    """Whether the best running text, if it ended now at the same score, would be better than the worst finished one.

    With "never" it may end where that makes the most of its score: at the longest, for a penalty above 0.
    """
    longest = settings.early_stopping == "never" and settings.length_penalty > 0
    length = jnp.asarray(settings.max_new_tokens if longest else new, state.scores.dtype)
    best = state.scores[:, 0]
    better = best / length**settings.length_penalty > state.finished.scores.min(1)
    return jnp.isfinite(best) & (better | ~_full(state))
