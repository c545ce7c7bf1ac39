"""What each mention goes back to: the loss of all right answers together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ops.attention import MASKED

Scalar = Float[Array, ""]


def antecedent_sums(
    logits: Float[Array, "B K A"], clusters: Int[Array, "B K"], counted: Bool[Array, "B K"]
) -> tuple[Scalar, Scalar, Scalar]:
    """(negative log of the probability of all right antecedents together, in nats; mentions whose likeliest antecedent
    is right; mentions), summed over the mentions that are `counted`.

    A = 1 + K: column 0 is none, column 1 + j the mention at place j. Right are those before the mention in its cluster;
    none, where there are none or `clusters` is 0. `logits` are `MASKED` or less where a column is no choice.

    Source: Lee et al. 2017, section 5.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    places = jnp.arange(clusters.shape[1])
    before = places[None, :, None] > places[None, None, :]
    same = (clusters[:, :, None] == clusters[:, None, :]) & (clusters[:, :, None] > 0)
    right = before & same & counted[:, None, :]
    right = jnp.concatenate([~right.any(-1, keepdims=True), right], axis=-1)  # [B K A]
    of_right = jax.nn.logsumexp(jnp.where(right, logits, MASKED), axis=-1)
    nll = jax.nn.logsumexp(logits, axis=-1) - of_right
    hits = jnp.take_along_axis(right, logits.argmax(-1)[..., None], axis=-1)[..., 0]
    weights = counted.astype(logits.dtype)
    return (nll * weights).sum(), (hits * weights).sum(), weights.sum()
