"""What may come next, looked up in what is there already: texts often say again what they, or what they tell of, said.

Source: Saxena 2023, "Prompt Lookup Decoding"; Leviathan et al. 2023, section 2.1, for what is done with it.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from decoding.writer import Text


def proposed(text: Text, read: Int[Array, "B S"] | None, count: int) -> Int[Array, "B {count}"]:
    """For each row `count` tokens: those that followed, the latest time that its last two tokens stood there.

    Looked through are what was `read`, in an encoder-decoder, and the text. Where the two stood nowhere, those that
    followed the last token alone; where it did not stand either, anything. What would lie past the text's end goes on
    in a circle, so that a text which repeats itself is foreseen for as long as it does.
    """
    tokens, at, real = text.tokens, text.at, text.real
    if read is not None:
        tokens, at = jnp.concatenate([read.astype(tokens.dtype), tokens], 1), at + read.shape[1]
        real = jnp.concatenate([jnp.ones(read.shape, bool), real], 1)
    start = _latest(tokens, at, real) + 1  # [B 1]
    ahead = start + jnp.arange(count)[None] % jnp.maximum(at - start, 1)
    return jnp.take_along_axis(tokens, ahead, 1, mode="clip")


def _latest(tokens: Int[Array, "B L"], at: Int[Array, ""], real: Bool[Array, "B L"]) -> Int[Array, "B 1"]:
    """Where before `at - 1` the last token stood, after the last but one if possible; the latest such place."""
    before, last = (jax.lax.dynamic_slice_in_dim(tokens, jnp.maximum(at - back, 0), 1, 1) for back in (2, 1))
    places = jnp.arange(tokens.shape[1])[None]
    stood = (tokens == last) & real & (places < at - 1)
    both = stood & (jnp.roll(tokens, 1, 1) == before) & (places > 0)
    worth = jnp.where(stood, places, 0) + jnp.where(both, tokens.shape[1], 0)
    return worth.argmax(1, keepdims=True)
