"""The loss of all right antecedents together, against a loop over mentions and against a count by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from ops.antecedents import antecedent_sums
from ops.attention import MASKED


def drawn(seed: int, mentions: int = 7):
    """Two rows of logits in which a mention may go back to those before it that are counted, and to none."""
    dice = np.random.default_rng(seed)
    logits = 2 * dice.normal(size=(2, mentions, 1 + mentions))
    clusters, counted = dice.integers(0, 4, (2, mentions)), np.arange(mentions) < np.array([[mentions], [4]])
    may = np.tril(np.ones((mentions, mentions), bool), -1) & counted[:, None, :]
    return np.where(np.concatenate([np.ones((2, mentions, 1), bool), may], -1), logits, MASKED), clusters, counted


def slow(logits, clusters, counted):
    nll, hits = 0.0, 0
    for row, mention in np.argwhere(counted):
        of = clusters[row, mention]
        right = [1 + j for j in range(mention) if of and clusters[row, j] == of] or [0]
        chances = np.exp(logits[row, mention]) / np.exp(logits[row, mention]).sum()
        nll -= np.log(chances[right].sum())
        hits += int(chances.argmax()) in right
    return nll, hits, counted.sum()


def test_sums_are_those_of_a_loop_over_mentions():
    with jax.enable_x64(True):
        for seed in range(5):
            given = drawn(seed)
            told, wanted = antecedent_sums(*map(jnp.asarray, given)), slow(*given)
            assert np.abs(np.asarray(told) - np.asarray(wanted)).max() < 1e-12 * wanted[0]  # 4e-16 seen


def test_by_hand():
    """Three mentions of one cluster with all choices alike: 1 of 1, 1 of 2 and 2 of 3 are right."""
    logits = jnp.where(jnp.tri(3, 4, k=0)[None] > 0, 0.0, MASKED)
    loss, _, weight = antecedent_sums(logits, jnp.ones((1, 3), jnp.int32), jnp.ones((1, 3), bool))
    assert abs(float(loss) - np.log(2 * 3 / 2)) < 1e-6
    assert float(weight) == 3


def test_gradients_are_finite_and_of_counted_mentions_alone():
    logits, clusters, counted = (jnp.asarray(x) for x in drawn(0))
    gradient = jax.grad(lambda x: antecedent_sums(x, clusters, counted)[0])(logits.astype(jnp.float32))
    assert jnp.isfinite(gradient).all()
    assert (jnp.abs(gradient[1, :4]).max(-1) > 0)[1:].any()
    assert not gradient[1, 4:].any()
    assert not jnp.where(logits <= MASKED, gradient, 0).any()
