"""Where an answer begins and ends: the best pairs of a first and a last token."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from errors import InputError
from ops.attention import MASKED


class Spans(NamedTuple):
    """The N best spans of each row, best first: scores, and places of the first and of the last token.

    `total` is the logarithm of the sum of exp(score) over all spans that were looked at, kept here or not. A row with
    fewer than N has `MASKED` and below for the scores of the rest.
    """

    scores: Float[Array, "B N"]
    starts: Int[Array, "B N"]
    ends: Int[Array, "B N"]
    total: Float[Array, "B"]


def best_spans(
    start_logits: Float[Array, "B S"],
    end_logits: Float[Array, "B S"],
    *,
    starts: Bool[Array, "B S"],
    ends: Bool[Array, "B S"],
    longest: int,
    count: int,
) -> Spans:
    """All spans of 1 to `longest` tokens that begin at one of `starts` and end at one of `ends`, `count` of them kept.

    A span's score is its start logit and its end logit added up. Memory: `longest` numbers for each token.

    Raises:
      InputError: if `longest` or `count` is below 1.
    Source: Devlin et al. 2018, section 4.2.
    """
    if longest < 1 or count < 1:
        raise InputError(f"the longest answer and the number of answers must be at least 1, got {longest} and {count}")
    B, S = start_logits.shape
    longest = min(longest, S)
    first = jnp.where(starts, start_logits, MASKED)
    last = jnp.pad(jnp.where(ends, end_logits, MASKED), ((0, 0), (0, longest - 1)), constant_values=MASKED)
    reach = jnp.stack([last[:, more : more + S] for more in range(longest)], axis=-1)  # [B S longest]
    scores = (first[:, :, None] + reach).reshape(B, S * longest)
    kept, place = jax.lax.top_k(scores, min(count, S * longest))
    begin = place // longest
    return Spans(kept, begin, begin + place % longest, jax.nn.logsumexp(scores, axis=-1))
