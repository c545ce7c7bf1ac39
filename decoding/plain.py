"""One text for each row, token by token: greedy, or drawn."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, Key

from decoding.choice import chosen
from decoding.rules import ends_text, ruled
from decoding.settings import Settings
from decoding.writer import Prompt, Text, Writer


class State(NamedTuple):
    """Texts under way; of each the sum of its tokens' log probabilities, how many new ones it has, and if it ended."""

    text: Text
    cache: Any
    scores: Float[Array, "B"]
    lengths: Int[Array, "B"]
    ended: Bool[Array, "B"]
    keys: Key[Array, "B"] | None

    def new(self, settings: Settings) -> Int[Array, ""]:
        """How many tokens the longest text has that are new."""
        return self.text.at - (self.text.tokens.shape[1] - settings.max_new_tokens)


def begin(model: Writer, prompt: Prompt, settings: Settings, keys: Key[Array, "B"] | None) -> State:
    """Reads the prompt, and writes the first token of each of the rows that there are keys for."""
    logits, cache = model.step(prompt.tokens, prompt.cache, attention_mask=prompt.attention_mask, last=True)
    settings.check_vocabulary(logits.shape[-1])
    text, logits = prompt.text(settings), logits[:, -1]
    if (copies := settings.num_return_sequences) > 1:
        cache, logits = cache.widened(copies), jnp.repeat(logits, copies, 0)
        text = Text(*(jnp.repeat(each, copies, 0) for each in text[:2]), text.at)
    rows = logits.shape[0]
    nothing = jnp.zeros(rows, logits.dtype), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, bool)
    return _with_next(logits, State(text, cache, *nothing, keys), settings)


def advance(model: Writer, state: State, settings: Settings, until: int | Int[Array, ""]) -> State:
    """Until all texts have ended, or have `until` new tokens."""

    def under_way(state: State) -> Bool[Array, ""]:
        return (state.new(settings) < until) & ~state.ended.all()

    def step(state: State) -> State:
        tokens = jax.lax.dynamic_slice_in_dim(state.text.tokens, state.text.at - 1, 1, 1)
        logits, cache = model.step(tokens, state.cache, last=True)
        return _with_next(logits[:, -1], state._replace(cache=cache), settings)

    return jax.lax.while_loop(under_way, step, state)


def _with_next(logits: Float[Array, "B V"], state: State, settings: Settings) -> State:
    new, (tokens, real, at) = state.new(settings), state.text
    token = chosen(ruled(logits, state.text, new, settings), settings, state.keys, new)
    likely = jnp.take_along_axis(logits, token[:, None], axis=1)[:, 0] - jax.nn.logsumexp(logits, axis=1)
    token = jnp.where(state.ended, settings.pad_token_id, token)
    tokens = jax.lax.dynamic_update_slice_in_dim(tokens, token[:, None], at, 1)
    real = jax.lax.dynamic_update_slice_in_dim(real, ~state.ended[:, None], at, 1)
    return state._replace(
        text=Text(tokens, real, at + 1),
        scores=state.scores + jnp.where(state.ended, 0.0, likely),
        lengths=state.lengths + ~state.ended,
        ended=state.ended | ends_text(token, settings),
    )
