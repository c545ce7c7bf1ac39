"""Texts for a batch of prompts: a function to be traced, and an object that compiles it once."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jaxtyping import Int

from decoding.beams import search
from decoding.choice import row_keys
from decoding.compiled import compiler_options
from decoding.plain import State, advance, begin
from decoding.settings import Settings
from decoding.writer import Writer, Written, prompted
from errors import InputError


def generate(
    model: Writer,
    input_ids: Int[Array, "B P"],
    settings: Settings,
    *,
    attention_mask: Int[Array, "B P"] | None = None,
    key: Array | None = None,
    row_ids: Int[Array, "B"] | None = None,
    **inputs: Array | None,
) -> Written:
    """What the model writes for each row. For use inside `jax.jit`: all shapes are known, and one loop does it.

    `input_ids` are prompts, padded on the left where `attention_mask` is 0; of an encoder-decoder, texts to read, and
    the rest of `inputs` (`global_attention_mask`) is its encoder's. `key` is needed to draw: each text depends on it,
    on its prompt and on the row's number in `row_ids` (its place in the batch by default), and on no other row.
    """
    if settings.num_beams > 1:
        return search(model, prompted(model, input_ids, settings, attention_mask=attention_mask, **inputs), settings)
    state = begun(model, input_ids, settings, attention_mask=attention_mask, key=key, row_ids=row_ids, **inputs)
    return told(advance(model, state, settings, settings.max_new_tokens), settings)


def begun(
    model: Writer,
    input_ids: Int[Array, "B P"],
    settings: Settings,
    *,
    key: Array | None = None,
    row_ids: Int[Array, "B"] | None = None,
    **inputs: Array | None,
) -> State:
    """As `generate`, with one token of each text written."""
    keys = None
    if settings.do_sample:
        if key is None:
            raise InputError("do_sample needs a key to draw with: give jax.random.key(seed)")
        row_ids = jnp.arange(input_ids.shape[0]) if row_ids is None else row_ids
        keys = row_keys(key, row_ids, settings.num_return_sequences)
    return begin(model, prompted(model, input_ids, settings, **inputs), settings, keys)


def told(state: State, settings: Settings) -> Written:
    """What is written so far."""
    of = (-1, settings.num_return_sequences)
    tokens = state.text.tokens[:, -settings.max_new_tokens :]
    return Written(tokens.reshape(*of, settings.max_new_tokens), state.scores.reshape(of), state.lengths.reshape(of))


class Decoder:
    """A model and how it writes, compiled once for each shape of prompts; the weights are laid out when it is made."""

    def __init__(self, model: nnx.Module, settings: Settings):
        self._prompts, self.settings = model.prompts, settings
        _refuse_other_kind(self._prompts.reads, settings.decoder_start_token_id)
        graph, self._parameters = nnx.split(model.for_steps())

        def whole(parameters: Any, input_ids: Array, inputs: dict[str, Any]) -> Written:
            return generate(nnx.merge(graph, parameters), input_ids, settings, **inputs)

        def first(parameters: Any, input_ids: Array, inputs: dict[str, Any]) -> State:
            return begun(nnx.merge(graph, parameters), input_ids, settings, **inputs)

        def more(parameters: Any, state: State, until: Array) -> State:
            return advance(nnx.merge(graph, parameters), state, settings, until)

        compiled = partial(jax.jit, compiler_options=compiler_options())
        self._whole, self._first, self._more = compiled(whole), compiled(first), compiled(more, donate_argnums=1)

    def __call__(self, input_ids: Int[Array, "B P"], **inputs: Array | None) -> Written:
        """As `generate`, outside `jax.jit`.

        Raises:
          InputError: also for a prompt that ends in padding.
        """
        return self._whole(self._parameters, *self._checked(input_ids, inputs))

    def begin(self, input_ids: Int[Array, "B P"], **inputs: Array | None) -> State:
        """Likewise, with one token of each text written."""
        if self.settings.num_beams > 1:
            raise InputError("beams are known at their end alone: to stream a text set num_beams=1")
        return self._first(self._parameters, *self._checked(input_ids, inputs))

    def advance(self, state: State, until: int) -> State:
        """With up to `until` new tokens. `state` itself is used up."""
        return self._more(self._parameters, state, jnp.asarray(min(until, self.settings.max_new_tokens), jnp.int32))

    def _checked(self, input_ids: Array, inputs: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        given = {name: value for name, value in inputs.items() if value is not None}
        drawn = {name: given.pop(name) for name in ("key", "row_ids") if name in given}
        ids, arrays = np.asarray(input_ids), jax.tree.map(np.asarray, given, is_leaf=lambda x: x is not given)
        self._prompts.check(ids, arrays)
        mask = arrays.get("attention_mask")
        if mask is not None and not self._prompts.reads and not np.all(mask[:, -1]):
            row = int(np.argmin(mask[:, -1] != 0))
            raise InputError(f"prompt {row} ends in padding: pad prompts on the left, so that a token comes last")
        if not hasattr(drawn.get("key", ids), "dtype"):
            raise InputError(f"key must be one to draw with, jax.random.key(seed), got {drawn['key']!r}")
        if (rows := np.shape(drawn.get("row_ids", ids[:, 0]))) != ids.shape[:1]:
            raise InputError(f"row_ids must be one number for each of {len(ids)} prompts, got the shape {rows}")
        return jnp.asarray(ids), jax.tree.map(jnp.asarray, arrays | drawn)


def _refuse_other_kind(reads: bool, start: int | None) -> None:
    if reads and start is None:
        raise InputError(
            "this model reads a text and writes another: set decoder_start_token_id to the token that it writes behind"
        )
    if start is not None and not reads:
        raise InputError(f"decoder_start_token_id={start} is of models that read; this one goes on: leave it out")
