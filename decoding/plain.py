"""One text for each row, token by token: greedy, or drawn."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, Key

from decoding.choice import chosen
from decoding.lookup import proposed
from decoding.rules import ends_text, ruled
from decoding.settings import Settings
from decoding.writer import Prompt, Text, Writer


class State(NamedTuple):
    """Texts under way; of each the sum of its tokens' log probabilities, how many new ones it has, and if it ended.

    `read`: what an encoder-decoder read, where tokens are looked up in it.
    """

    text: Text
    cache: Any
    scores: Float[Array, "B"]
    lengths: Int[Array, "B"]
    ended: Bool[Array, "B"]
    keys: Key[Array, "B"] | None
    read: Int[Array, "B S"] | None = None

    def new(self, settings: Settings) -> Int[Array, ""]:
        """How many tokens the longest text has that are new."""
        return self.text.at - (self.text.tokens.shape[1] - settings.max_new_tokens)


def begin(model: Writer, prompt: Prompt, settings: Settings, keys: Key[Array, "B"] | None) -> State:
    """Reads the prompt, and writes the first token of each of the rows that there are keys for."""
    logits, cache = model.step(prompt.tokens, prompt.cache, attention_mask=prompt.attention_mask, last=True)
    settings.check_vocabulary(logits.shape[-1])
    text, logits = prompt.text(settings), logits[:, -1]
    read = prompt.read
    if (copies := settings.num_return_sequences) > 1:
        cache, logits = cache.widened(copies), jnp.repeat(logits, copies, 0)
        text = Text(*(jnp.repeat(each, copies, 0) for each in text[:2]), text.at)
        read = None if read is None else jnp.repeat(read, copies, 0)
    rows = logits.shape[0]
    nothing = jnp.zeros(rows, logits.dtype), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, bool)
    return _with_next(logits, State(text, cache, *nothing, keys, read), settings)


def advance(model: Writer, state: State, settings: Settings, until: int | Int[Array, ""]) -> State:
    """Until all texts have ended, or have `until` new tokens."""

    def under_way(state: State) -> Bool[Array, ""]:
        return (state.new(settings) < until) & ~state.ended.all()

    def step(state: State) -> State:
        if settings.prompt_lookup_num_tokens:
            return _with_several(model, state, settings, under_way)
        logits, cache = model.step(_last(state), state.cache, last=True)
        return _with_next(logits[:, -1], state._replace(cache=cache), settings)

    return jax.lax.while_loop(under_way, step, state)


def _with_several(model: Writer, state: State, settings: Settings, under_way: Callable[[State], Array]) -> State:
    """One step of the model for as many tokens as it would have written of those proposed, and one of its own.

    A batch goes on by as many as every row takes. The tokens are those that single steps write, up to the rounding of
    products of several tokens at once.
    """
    count = settings.prompt_lookup_num_tokens
    guess = proposed(state.text, state.read, count)
    logits, cache = model.step(jnp.concatenate([_last(state), guess], 1), state.cache, last=False)
    guess = jnp.pad(guess, ((0, 0), (0, 1)), constant_values=-1)  # after the last one nothing is as foreseen

    def more(carry: tuple[Array, Array, State]) -> tuple[Array, Array, State]:
        taken, _, state = carry
        of_place = jax.lax.dynamic_index_in_dim(logits, taken, 1, keepdims=False)
        after = _with_next(of_place, state, settings)
        foreseen = _last(after) == jax.lax.dynamic_slice_in_dim(guess, taken, 1, 1)
        return taken + 1, (foreseen[:, 0] | after.ended).all() & under_way(after), after

    start = jnp.zeros((), jnp.int32), jnp.ones((), bool), state._replace(cache=None)
    taken, _, after = jax.lax.while_loop(lambda carry: carry[1], more, start)
    return after._replace(cache=cache.without_last(count + 1 - taken))


def _last(state: State) -> Int[Array, "B 1"]:
    return jax.lax.dynamic_slice_in_dim(state.text.tokens, state.text.at - 1, 1, 1)


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
