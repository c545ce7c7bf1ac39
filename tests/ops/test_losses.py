import jax
import jax.numpy as jnp
import numpy as np

from ops.losses import correct_sums, cross_entropy_sums

LOGITS = jax.random.normal(jax.random.key(0), (2, 3, 5)) * 3
LABELS = jnp.array([[0, 4, 2], [1, 1, 3]])


def test_cross_entropy_is_the_weighted_sum_of_negative_log_probabilities():
    weights = jnp.array([[1.0, 0.5, 0.0], [2.0, 1.0, 1.0]])
    logits = np.asarray(LOGITS, np.float64)
    nll = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, np.asarray(LABELS)[..., None], -1)[..., 0]
    total, count = cross_entropy_sums(LOGITS, LABELS, weights)
    error = abs(float(total) - (nll * np.asarray(weights)).sum())
    print("error", error)
    assert error < 1e-5  # measured 6e-7
    assert count == 5.5


def test_sums_of_parts_are_the_sums_of_the_whole():
    weights = jnp.ones((2, 3))
    whole = cross_entropy_sums(LOGITS, LABELS, weights)
    parts = [cross_entropy_sums(LOGITS[i], LABELS[i], weights[i]) for i in range(2)]
    np.testing.assert_allclose(whole[0], parts[0][0] + parts[1][0], rtol=1e-6)
    assert whole[1] == parts[0][1] + parts[1][1]


def test_an_entry_of_weight_zero_may_carry_any_label():
    weights = jnp.array([[True, True, False], [True, True, True]])

    def loss(logits, labels):
        return cross_entropy_sums(logits, labels, weights)[0]

    for label in (-100, 5, 2):
        labels = LABELS.at[0, 2].set(label)
        assert loss(LOGITS, labels) == loss(LOGITS, LABELS)
        grad = jax.grad(loss)(LOGITS, labels)
        assert bool(jnp.isfinite(grad).all())
        assert not grad[0, 2].any()


def test_a_weighted_label_out_of_range_gives_nan_and_not_another_class():
    for label in (-1, 5):
        assert jnp.isnan(cross_entropy_sums(LOGITS, LABELS.at[0, 0].set(label), jnp.ones((2, 3)))[0])


def test_bfloat16_logits_are_summed_in_float32():
    total, count = cross_entropy_sums(LOGITS.astype(jnp.bfloat16), LABELS, jnp.ones((2, 3), jnp.int32))
    assert total.dtype == count.dtype == jnp.float32


def test_correct_counts_the_rows_whose_largest_logit_is_the_label():
    best = LOGITS.argmax(-1)
    weights = jnp.array([[1, 1, 0], [1, 1, 1]])
    assert correct_sums(LOGITS, best, weights) == (5, 5)
    assert correct_sums(LOGITS, best.at[0, 0].add(1).at[0, 2].add(1), weights) == (4, 5)
