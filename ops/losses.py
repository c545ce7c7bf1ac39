"""Losses and scores as sums with their counts: micro-batches, devices and ragged last batches then add up exactly."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

Scalar = Float[Array, ""]
Weights = Float[Array, "*N"] | Bool[Array, "*N"] | Int[Array, "*N"]


def cross_entropy_sums(
    logits: Float[Array, "*N V"], labels: Int[Array, "*N"], weights: Weights
) -> tuple[Scalar, Scalar]:
    """(sum of weight * negative log-likelihood in nats, sum of weights), in float32.

    An entry of weight 0 may carry any label. A label outside [0, V) with a weight gives NaN: indexing would clamp it
    and train on the wrong class without a word.
    """
    weights = weights.astype(jnp.float32)
    valid = (labels >= 0) & (labels < logits.shape[-1])
    # What optax does with a label out of range differs between releases, so it gets none.
    nll = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), jnp.where(valid, labels, 0))
    nll = jnp.where(valid | (weights == 0), nll, jnp.nan)
    return (nll * weights).sum(), weights.sum()


def correct_sums(logits: Float[Array, "*N V"], labels: Int[Array, "*N"], weights: Weights) -> tuple[Scalar, Scalar]:
    """(sum of weights where the largest logit is the label's, sum of weights). Of equal logits the first counts."""
    weights = weights.astype(jnp.float32)
    return ((logits.argmax(-1) == labels) * weights).sum(), weights.sum()
