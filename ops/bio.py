"""Labels that mark spans: tag 0 is outside all, 1 + 2k begins a span of label k, 2 + 2k goes on with it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from errors import InputError


def best_tags(logits: Float[Array, "B S C"], counted: Bool[Array, "B S"]) -> Int[Array, "B S"]:
    """The tags with the greatest sum of logits among those where each "goes on" follows its own label (Viterbi).

    Only places that are `counted` have a tag, as if the others were not there; those get tag 0. C = 1 + 2 labels.
    What may follow what is so plain that a step takes C operations and not C * C: after the best tag of all comes 0 or
    a beginning; a label goes on from the better of its own two.

    Raises:
      InputError: if C is even.
    Source: Viterbi 1967; tags as in Ramshaw and Marcus 1995, in the form of Tjong Kim Sang and Veenstra 1999 (IOB2).
    """
    if logits.shape[2] % 2 == 0:
        raise InputError(f"{logits.shape[2]} tags are not one, and two for each label")
    logits = logits.astype(jnp.float32)
    at_start = jnp.full(logits.shape[::2], -jnp.inf).at[:, 0].set(0.0)  # [B C], as if after a tag 0
    by_place = logits.swapaxes(0, 1), counted.T
    scores, back = jax.lax.scan(_forward, at_start, by_place)  # back: [S B C], the tag before
    last = scores.argmax(1).astype(jnp.int32)
    _, tags = jax.lax.scan(_backward, last, (back, counted.T), reverse=True)
    return tags.T


def _forward(scores: Float[Array, "B C"], place: tuple[Array, Array]) -> tuple[Array, Array]:
    logits, counted = place
    best, which = scores.max(1, keepdims=True), scores.argmax(1).astype(jnp.int32)[:, None]
    begun, gone_on = scores[:, 1::2], scores[:, 2::2]
    numbers = jnp.arange(1, scores.shape[1], 2, dtype=jnp.int32)[None]
    went_on = gone_on > begun
    into = jnp.stack([jnp.broadcast_to(best, begun.shape), jnp.maximum(begun, gone_on)], axis=2)  # [B L 2]
    came = jnp.stack([jnp.broadcast_to(which, begun.shape), numbers + went_on], axis=2)
    flat = (len(scores), -1)
    after = jnp.concatenate([best, into.reshape(flat)], axis=1) + logits
    back = jnp.concatenate([which, came.reshape(flat)], axis=1)
    return jnp.where(counted[:, None], after, scores), back


def _backward(tag: Int[Array, "B"], place: tuple[Array, Array]) -> tuple[Array, Array]:
    back, counted = place
    before = jnp.take_along_axis(back, tag[:, None], axis=1)[:, 0]
    return jnp.where(counted, before, tag), jnp.where(counted, tag, 0)
