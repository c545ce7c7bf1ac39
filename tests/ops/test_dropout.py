import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from errors import InputError
from ops.dropout import dropout, keep_mask, keep_probability, seed_words

KEY = jax.random.key(0)


def kept(key, shape, rate):
    return np.asarray(dropout(jnp.ones(shape), rate, key) > 0)


def test_no_key_or_no_rate_changes_nothing():
    x = jnp.arange(6.0).reshape(2, 3)
    assert dropout(x, 0.5, None) is x
    assert dropout(x, 0.0, KEY) is x


def test_survivors_are_scaled_so_that_the_expectation_is_exact():
    x = jnp.full((4, 8), 3.0)
    out = np.asarray(dropout(x, 0.1, KEY))
    np.testing.assert_allclose(np.unique(out), [0.0, 3.0 / keep_probability(0.1)], rtol=2e-7)
    assert abs(keep_probability(0.1) - 0.9) < 2**-32


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_share_of_dropped_elements_is_the_rate(rate):
    mask = kept(KEY, (1000, 1000), rate)
    deviations = abs((~mask).mean() - rate) / np.sqrt(rate * (1 - rate) / mask.size)
    print("standard deviations from the rate", deviations)
    assert deviations < 4


def test_rows_columns_and_neighbours_are_uncorrelated():
    mask = kept(KEY, (2000, 1024), 0.3).astype(np.float64)
    z = (mask - 0.7) / np.sqrt(0.21)
    scores = {
        "row means": z.mean(1) * np.sqrt(z.shape[1]),
        "column means": z.mean(0) * np.sqrt(z.shape[0]),
        "next column": (z[:, 1:] * z[:, :-1]).mean(0) * np.sqrt(z.shape[0]),
        "next row": (z[1:] * z[:-1]).mean(1) * np.sqrt(z.shape[1]),
        "power-of-two column": (z[:, 512:] * z[:, :-512]).mean(0) * np.sqrt(z.shape[0]),
    }
    for name, score in scores.items():  # each is a sample of standard normals
        print(name, score.mean() * np.sqrt(score.size), score.std(), np.abs(score).max())
        assert abs(score.mean()) * np.sqrt(score.size) < 4
        assert abs(score.std() - 1) < 0.12
        assert np.abs(score).max() < 5.5


def test_two_keys_draw_unrelated_masks():
    a, b = (kept(key, (500, 500), 0.5) for key in jax.random.split(KEY))
    deviations = abs((a == b).mean() - 0.5) * 2 * np.sqrt(a.size)
    print("standard deviations", deviations)
    assert deviations < 4


def test_the_mask_is_a_function_of_key_and_shape():
    assert np.array_equal(kept(KEY, (7, 33), 0.4), kept(KEY, (7, 33), 0.4))
    eager, jitted = dropout(jnp.ones((3, 5, 8)), 0.4, KEY), jax.jit(lambda x: dropout(x, 0.4, KEY))(jnp.ones((3, 5, 8)))
    assert np.array_equal(eager, jitted)


def test_sharding_does_not_change_the_mask():
    mesh = jax.make_mesh((len(jax.devices()),), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    x = jnp.ones((8 * len(jax.devices()), 16))
    cut = jax.device_put(x, NamedSharding(mesh, PartitionSpec("x")))
    drop = jax.jit(lambda x: dropout(x, 0.4, KEY))
    assert np.array_equal(drop(x), drop(cut))


def test_a_block_of_the_mask_is_the_mask_of_the_block():
    rows, columns = jnp.arange(40)[:, None], jnp.arange(30)[None, :]
    whole = keep_mask(seed_words(KEY), rows, columns, rate=0.5)
    part = keep_mask(seed_words(KEY), rows[8:20], columns[:, 5:], rate=0.5)
    assert np.array_equal(part, whole[8:20, 5:])


def test_gradients_flow_through_survivors_alone():
    grad = np.asarray(jax.grad(lambda x: dropout(x, 0.5, KEY).sum())(jnp.ones((4, 9))))
    assert np.array_equal(grad > 0, kept(KEY, (4, 9), 0.5))


def test_the_type_stays():
    assert dropout(jnp.ones((4, 4), jnp.bfloat16), 0.5, KEY).dtype == jnp.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_outside_zero_to_one_is_refused(rate):
    with pytest.raises(InputError, match="dropout rate must be at least 0 and below 1"):
        dropout(jnp.ones(3), rate, KEY)
