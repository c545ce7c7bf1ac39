import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.positions import rotary, sinusoids

turn = jax.jit(rotary)


def test_sinusoids_are_the_papers_formula_at_near_and_far_places():
    places = np.array([0, 1, 49, 1023, 1024, 70_001, 1024**2 - 1])
    table = np.asarray(sinusoids(jnp.asarray(places)[None], 6))[0]
    assert table.dtype == np.float32
    angle = places[:, None] / 10_000 ** (2 * np.arange(3) / 6)[None]
    error = np.abs(table.reshape(-1, 3, 2) - np.stack([np.sin(angle), np.cos(angle)], -1)).max()
    print("error", error)
    assert error < 2e-7  # measured 9e-8
    assert np.isnan(sinusoids(jnp.array([[1024**2]]), 6)).all()


def test_position_zero_is_not_rotated():
    x = np.random.default_rng(0).normal(size=(1, 3, 2, 8)).astype(np.float32)
    np.testing.assert_array_equal(turn(x, np.zeros((1, 3), np.int32)), x)


def test_rotation_pairs_a_channel_with_the_one_half_the_width_away():
    x = np.array([[[[1.0, 0.0, 0.0, 0.0]]]], np.float32)
    got = np.asarray(turn(x, np.array([[2]])))[0, 0, 0]
    error = np.abs(got - np.array([np.cos(2.0), 0.0, np.sin(2.0), 0.0])).max()
    print("error", error)
    assert error < 1e-6  # measured 3e-8


def test_products_of_rotated_vectors_depend_on_the_distance_alone():
    with jax.enable_x64(True):
        q, k = np.random.default_rng(1).normal(size=(2, 1, 4, 2, 8))
        at = np.array([[3, 9, 4, 0]])

        def products(shift):
            turned = (np.asarray(turn(x, at + shift)) for x in (q, k))
            return np.einsum("bthk,bshk->bhts", *turned)

        error = np.abs(products(0) - products(1000)).max()
        print("error", error)
        assert error < 1e-11  # measured 2e-13
        assert np.abs(products(0) - np.einsum("bthk,bshk->bhts", q, k)).max() > 0.1


def test_rotation_keeps_lengths_and_the_type():
    x = np.random.default_rng(2).normal(size=(2, 5, 3, 8)).astype(np.float32)
    at = np.broadcast_to(np.arange(5), (2, 5))
    error = np.abs(np.linalg.norm(turn(x, at), axis=-1) - np.linalg.norm(x, axis=-1)).max()
    print("error", error)
    assert error < 1e-5  # measured 5e-7
    assert turn(x.astype(jnp.bfloat16), at).dtype == jnp.bfloat16


def test_odd_widths_are_refused():
    with pytest.raises(InputError, match="even width, got 5"):
        sinusoids(jnp.zeros((1, 3), jnp.int32), 5)
    with pytest.raises(InputError, match="even head width, got 5"):
        rotary(jnp.zeros((1, 2, 1, 5)), jnp.zeros((1, 2), jnp.int32))
