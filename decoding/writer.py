"""What decoding asks of a model, what it is told of a prompt, and what it gives back."""

from typing import Any, NamedTuple, Protocol, Self

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from decoding.settings import Settings


class Cache(Protocol):
    """What a model keeps of the tokens of each row; only the model sees into it."""

    def widened(self, times: int) -> Self:
        """Each row `times` times, next to each other."""

    def rearranged(self, places: Int[Array, "B N"]) -> Self:
        """Of each N rows next to each other the ones at `places`, in that order."""

    def without_last(self, count: Int[Array, ""]) -> Self:
        """As before the last `count` tokens of each row, all of them real."""


class Writer(Protocol):
    """A model that tells the next token: `CausalLM` and `Generator` of models/writers.py.

    Its `start` makes a cache: `start(batch, capacity)`, or `start(input_ids, capacity=..., ...)` of one that first
    reads a text.
    """

    start: Any
    prompts: Any  # what it takes to write from, and refuses: `models.prompts.Prompts`

    def for_steps(self) -> Self:
        """The same model, as it writes fastest."""

    def step(
        self, tokens: Int[Array, "B T"], cache: Any, *, attention_mask: Int[Array, "B T"] | None = None, last: bool
    ) -> tuple[Float[Array, "B #T V"], Any]:
        """The logits after each of the next T tokens, or after the `last` alone, and the cache with them."""


class Written(NamedTuple):
    """R texts for each row, N tokens long at most: `lengths` of them with the end, which padding follows.

    `scores`: the sum of the log probabilities (nats) that the model gave to the tokens. Of beam search: of those that
    the rules left, divided by length ** length_penalty; best first.
    """

    tokens: Int[Array, "B R N"]
    scores: Float[Array, "B R"]
    lengths: Int[Array, "B R"]


class Text(NamedTuple):
    """Prompt and new tokens in one array, filled up to `at`; padding is not `real`."""

    tokens: Int[Array, "B L"]
    real: Bool[Array, "B L"]
    at: Int[Array, ""]


class Prompt(NamedTuple):
    """What the model goes on with, and its cache with room for that, what it will write and what is proposed to it.

    `read`: what an encoder-decoder read, if tokens are to be looked up in it.
    """

    tokens: Int[Array, "B P"]
    cache: Any
    attention_mask: Int[Array, "B P"] | None = None
    read: Int[Array, "B S"] | None = None

    def text(self, settings: Settings) -> Text:
        tokens, room = self.tokens.astype(jnp.int32), ((0, 0), (0, settings.max_new_tokens))
        real = jnp.ones(tokens.shape, bool) if self.attention_mask is None else self.attention_mask != 0
        at = jnp.asarray(tokens.shape[1], jnp.int32)
        return Text(jnp.pad(tokens, room, constant_values=settings.pad_token_id), jnp.pad(real, room), at)


def prompted(
    model: Writer,
    input_ids: Int[Array, "B P"],
    settings: Settings,
    *,
    attention_mask: Int[Array, "B P"] | None = None,
    **inputs: Array | None,
) -> Prompt:
    """`input_ids` as the prompt, padded on its left; or, with a `decoder_start_token_id`, as the text to be read.

    Raises:
      InputError: there is more that nothing would read.
    """
    model.prompts.check_names(name for name, value in inputs.items() if value is not None)
    room = settings.max_new_tokens + settings.prompt_lookup_num_tokens
    if settings.decoder_start_token_id is None:
        return Prompt(input_ids, model.start(input_ids.shape[0], input_ids.shape[1] + room), attention_mask)
    cache = model.start(input_ids, capacity=1 + room, attention_mask=attention_mask, **inputs)
    start = jnp.full((input_ids.shape[0], 1), settings.decoder_start_token_id, jnp.int32)
    return Prompt(start, cache, read=input_ids if settings.prompt_lookup_num_tokens else None)
