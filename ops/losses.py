"""Losses and scores as sums with their counts: micro-batches, devices and ragged last batches then add up exactly."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

Scalar = Float[Array, ""]


def cross_entropy_sums(
    logits: Float[Array, "*N V"],
    labels: Int[Array, "*N"],
    weights: Float[Array, "*N"] | Bool[Array, "*N"] | Int[Array, "*N"],
) -> tuple[Scalar, Scalar]:
    """(sum of weight * negative log-likelihood in nats, sum of weights), in float32.

    An entry of weight 0 may carry any label. A label outside [0, V) with a weight gives NaN: indexing would clamp it and
    train on the wrong class without a word.
    """
    weights = weights.astype(jnp.float32)
    valid = (labels >= 0) & (labels < logits.shape[-1])
    # optax holds NaN at an out-of-range label in some releases and clamps in others: never hand it one.
    nll = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), jnp.where(valid, labels, 0))
    nll = jnp.where(valid, nll, jnp.nan)
    return jnp.where(weights != 0, nll * weights, 0.0).sum(), weights.sum()


def correct_sums(
    logits: Float[Array, "*N V"],
    labels: Int[Array, "*N"],
    weights: Float[Array, "*N"] | Bool[Array, "*N"] | Int[Array, "*N"],
) -> tuple[Scalar, Scalar]:
    """(sum of weight where the largest logit is the label's, sum of weights). The first of equal logits is the largest."""
    weights = weights.astype(jnp.float32)
    return ((logits.argmax(-1) == labels) * weights).sum(), weights.sum()
