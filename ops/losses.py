"""Losses and scores as sums with their counts: micro-batches, devices and ragged last batches then add up exactly."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from errors import InputError

Scalar = Float[Array, ""]
Weights = Float[Array, "*N"] | Bool[Array, "*N"] | Int[Array, "*N"]


def cross_entropy_sums(
    logits: Float[Array, "*N V"], labels: Int[Array, "*N"], weights: Weights
) -> tuple[Scalar, Scalar]:
    """(sum of weight * negative log-likelihood in nats, sum of weights), in float32.

    An entry of weight 0 may carry any label. A label outside [0, V) with a weight gives NaN: indexing would clamp it
    and train on the wrong class without a word.
    """
    dtype = _sum_type(logits.dtype)
    logits, weights = logits.astype(dtype), weights.astype(dtype)
    valid = _in_range(labels, logits.shape[-1])
    # What optax does with a label out of range differs between releases, so it gets none.
    nll = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(valid, labels, 0))
    nll = jnp.where(valid | (weights == 0), nll, jnp.nan)
    return (nll * weights).sum(), weights.sum()


def smoothed_sums(
    logits: Float[Array, "*N V"], labels: Int[Array, "*N"], weights: Weights, *, share: float
) -> tuple[Scalar, Scalar]:
    """`cross_entropy_sums` of a target that gives `share` of itself to all V classes alike, the rest to the label.

    Source: Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4.
    """
    dtype = _sum_type(logits.dtype)
    nll, weight = cross_entropy_sums(logits, labels, weights)
    logits = logits.astype(dtype)
    even = jax.nn.logsumexp(logits, -1) - logits.mean(-1)  # mean over the classes of each one's loss
    return (1 - share) * nll + share * (even * weights.astype(dtype)).sum(), weight


def correct_sums(logits: Float[Array, "*N V"], labels: Int[Array, "*N"], weights: Weights) -> tuple[Scalar, Scalar]:
    """(sum of weights where the largest logit is the label's, sum of weights). Of equal logits the first counts."""
    weights = weights.astype(_sum_type(logits.dtype))
    return ((logits.argmax(-1) == labels) * weights).sum(), weights.sum()


def chunked_sums(
    factors: tuple[Float[Array, "B P D"], Float[Array, "V D"], Float[Array, "V"]],
    labels: Int[Array, "B P"],
    weights: Float[Array, "B P"] | Bool[Array, "B P"] | Int[Array, "B P"],
    *,
    chunk: int,
) -> tuple[Scalar, Scalar, Scalar]:
    """`cross_entropy_sums` and `correct_sums` of `x @ table.T + bias`, with the logits of one chunk alive at a time.

    Gives (loss sum, weight sum, sum of weights at the right answers). A chunk holds the same places of all B rows, so
    that rows shared out over devices stay where they are: at most `chunk` positions in all, and at least one of each
    row. The table is multiplied in x's type and summed in float32. Where a gradient is asked for, it is taken of each
    chunk while its logits are there, since the loss is one number: nothing is computed twice, and what waits for the
    backward pass is the gradient itself. The weights are data: none flows to them.
    Where devices share the rows, they add up the table's gradient once for each chunk: there, few large chunks.

    Raises:
      InputError: if `chunk` is below 1.
    Source: Hsu et al. 2024 (Liger Kernel), section 3.2, fused linear cross-entropy.
    """
    if chunk < 1:
        raise InputError(f"a chunk of logits must be at least 1 position, got {chunk}")
    weights = jax.lax.stop_gradient(weights.astype(_sum_type(factors[0].dtype)))
    rows, places = labels.shape
    chunks = -(-places // max(chunk // rows, 1))
    width = -(-places // chunks)  # places of each row in one chunk
    loss, correct = _chunked(*factors, labels, weights, width)
    return loss, weights.sum(), correct


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _chunked(x, table, bias, labels, weights, width):
    cast = table.astype(x.dtype)

    def add(sums, chunk):
        x, labels, weights = chunk
        found, _ = _chunk_sums(_logits(x, cast, bias), labels, weights)
        return jax.tree.map(jnp.add, sums, found), None

    zero = jnp.zeros((), weights.dtype)
    sums, _ = jax.lax.scan(add, (zero, zero), _cut((x, labels, weights), width))
    return sums


def _chunked_forward(x, table, bias, labels, weights, width):
    cast = table.astype(x.dtype)

    def add(carry, chunk):
        sums, d_table, d_bias = carry
        x, labels, weights = chunk
        found, d_logits = _chunk_sums(_logits(x, cast, bias), labels, weights)
        d_bias = d_bias + d_logits.sum((0, 1))
        d_logits = d_logits.astype(x.dtype)
        wide = {"preferred_element_type": d_table.dtype}
        d_table = d_table + jnp.einsum("BPV,BPD->VD", d_logits, x, **wide)
        d_x = jnp.einsum("BPV,VD->BPD", d_logits, cast, **wide).astype(x.dtype)
        return (jax.tree.map(jnp.add, sums, found), d_table, d_bias), d_x

    dtype = weights.dtype
    zero = jnp.zeros((), dtype)
    start = (zero, zero), jnp.zeros(table.shape, dtype), jnp.zeros(bias.shape, dtype)
    (sums, d_table, d_bias), d_x = jax.lax.scan(add, start, _cut((x, labels, weights), width))
    d_x = jnp.moveaxis(d_x, 0, 1).reshape(x.shape[0], -1, x.shape[2])[:, : x.shape[1]]  # [B P D]
    return sums, (d_x, d_table.astype(table.dtype), d_bias.astype(bias.dtype), labels)


def _chunked_backward(width, kept, upstream):
    scale, _ = upstream  # nothing learns from the count of right answers
    d_x, d_table, d_bias, labels = kept
    d_factors = [(each * scale).astype(each.dtype) for each in (d_x, d_table, d_bias)]
    return *d_factors, np.zeros(labels.shape, jax.dtypes.float0), jnp.zeros(labels.shape, scale.dtype)


_chunked.defvjp(_chunked_forward, _chunked_backward)


def _chunk_sums(logits, labels, weights):
    """((loss sum, correct sum), the loss's gradient with respect to the logits), as `cross_entropy_sums` has them."""
    valid = _in_range(labels, logits.shape[-1])
    hit = jnp.arange(logits.shape[-1])[None, None] == jnp.where(valid, labels, 0)[..., None]  # [B P V]
    total = jax.nn.logsumexp(logits, -1)
    nll = jnp.where(valid | (weights == 0), total - jnp.where(hit, logits, 0).sum(-1), jnp.nan)
    d_logits = (jnp.exp(logits - total[..., None]) - hit) * jnp.where(valid, weights, 0)[..., None]
    correct, _ = correct_sums(logits, labels, weights)
    return ((nll * weights).sum(), correct), d_logits


def _logits(x, table, bias):
    wide = bias.dtype if bias.dtype == jnp.float64 else jnp.float32
    return jnp.einsum("BPD,VD->BPV", x, table, preferred_element_type=wide) + bias[None, None]


def _cut(arrays, width: int):
    """Each `[B P ...]` as `[chunks B width ...]`; the places added to fill the last chunk are zeros: of no weight."""

    def cut(array):
        rows, places = array.shape[:2]
        chunks = -(-places // width)
        filled = jnp.pad(array, [(0, 0), (0, chunks * width - places)] + [(0, 0)] * (array.ndim - 2))
        return jnp.moveaxis(filled.reshape(rows, chunks, width, *array.shape[2:]), 1, 0)

    return jax.tree.map(cut, arrays)


def _in_range(labels, classes: int):
    return (labels >= 0) & (labels < classes)


def _sum_type(dtype):
    return jnp.promote_types(dtype, jnp.float32)
