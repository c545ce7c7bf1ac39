from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.losses import chunked_sums, correct_sums, cross_entropy_sums, smoothed_sums
from tests.ops.jaxprs import array_sizes

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


ROWS, PLACES, WIDTH, CLASSES = 3, 10, 8, 37


def factors(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(1), 3)
    shapes = (ROWS, PLACES, WIDTH), (CLASSES, WIDTH), (CLASSES,)
    x, table, bias = (jax.random.normal(key, shape, dtype) for key, shape in zip(keys, shapes, strict=True))
    labels = jax.random.randint(jax.random.key(2), (ROWS, PLACES), 0, CLASSES)
    weights = jax.random.uniform(jax.random.key(3), (ROWS, PLACES), dtype).at[0, 3:].set(0)
    return (x, table, bias), labels.at[0, 5].set(-100), weights


def plain_sums(factors, labels, weights):
    x, table, bias = factors
    logits = jnp.einsum("BPD,VD->BPV", x, table) + bias[None, None]
    loss, weight = cross_entropy_sums(logits, labels, weights)
    return loss, weight, correct_sums(logits, labels, weights)[0]


@pytest.mark.parametrize("chunk", [1, 12, 15, 1000])
def test_chunks_give_the_values_and_gradients_of_the_whole(chunk):
    def road(sums):
        def scaled(factors):  # an upstream gradient other than 1
            loss, *counts = sums(factors, labels, weights)
            return 3 * loss, (loss, *counts)

        return jax.jit(jax.value_and_grad(scaled, has_aux=True))(given)

    with jax.enable_x64(True):
        given, labels, weights = factors(jnp.float64)
        one, other = road(partial(chunked_sums, chunk=chunk)), road(plain_sums)
        errors = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max() / jnp.abs(b).max()), one, other)
    print("relative errors", errors)
    assert max(jax.tree.leaves(errors)) < 1e-12  # 5e-16 seen


def test_chunks_in_bfloat16_are_summed_in_float32():
    (x, table, bias), labels, weights = factors()
    x = x.astype(jnp.bfloat16)

    def gradients(sums, x, table):
        return jax.value_and_grad(lambda x, t: sums((x, t, bias), labels, weights)[0], argnums=(0, 1))(x, table)

    rounded = table.astype(jnp.bfloat16).astype(jnp.float32)
    loss, (d_x, d_table) = gradients(partial(chunked_sums, chunk=6), x, table)
    expected, (exact_x, exact_table) = gradients(plain_sums, x.astype(jnp.float32), rounded)
    assert (loss.dtype, d_x.dtype, d_table.dtype) == (jnp.float32, jnp.bfloat16, jnp.float32)
    errors = [float(abs(loss - expected) / expected), relative(d_x, exact_x), relative(d_table, exact_table)]
    print("errors", errors)  # 2e-7, 3e-3, 2e-3 seen: the last bits of bfloat16
    assert errors[0] < 2e-6
    assert max(errors[1:]) < 8e-3


def relative(one, other):
    return float(jnp.linalg.norm(one.astype(jnp.float32) - other) / jnp.linalg.norm(other))


def test_chunks_answer_a_weighted_label_out_of_range_with_nan():
    given, labels, weights = factors()
    assert jnp.isfinite(chunked_sums(given, labels, weights, chunk=6)[0])
    assert jnp.isnan(chunked_sums(given, labels.at[1, 1].set(CLASSES), weights, chunk=6)[0])


def test_a_chunk_below_one_is_refused():
    with pytest.raises(InputError, match="at least 1 position, got 0"):
        chunked_sums(*factors(), chunk=0)


def test_no_array_of_chunks_is_as_large_as_positions_by_vocabulary():
    given, labels, weights = factors()

    def widest(sums):
        return max(array_sizes(jax.make_jaxpr(jax.grad(lambda f: sums(f, labels, weights)[0]))(given).jaxpr))

    assert widest(plain_sums) == ROWS * PLACES * CLASSES
    assert widest(partial(chunked_sums, chunk=9)) == max(9 * CLASSES, CLASSES * WIDTH, ROWS * 12 * WIDTH)


def test_a_smoothed_loss_is_that_against_the_smoothed_target():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        logits = jnp.asarray(rng.normal(size=(3, 5, 7)))
        labels, weights = (jnp.asarray(rng.integers(0, top, (3, 5))) for top in (7, 2))
        target = 0.9 * np.eye(7)[labels] + 0.1 / 7
        by_hand = -(target * jax.nn.log_softmax(logits)).sum(-1)
        loss, weight = smoothed_sums(logits, labels, weights, share=0.1)
        assert float(loss) == pytest.approx(float((by_hand * weights).sum()), rel=1e-14)  # 2e-16 seen
        assert float(weight) == weights.sum()
        assert float(smoothed_sums(logits, labels, weights, share=0.0)[0]) == float(
            cross_entropy_sums(logits, labels, weights)[0]
        )
