import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.global_tokens import check_global_count, find_global_tokens, member_mask, put_rows, take_rows

MARKS = jnp.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]], bool)


def test_slots_hold_the_positions_in_order_and_unused_slots_are_marked():
    tokens = find_global_tokens(MARKS, 4)
    assert tokens.index.tolist() == [[1, 3, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert tokens.used.tolist() == [[True, True, True, False], [False] * 4, [True, False, False, False]]


def test_a_cap_above_the_length_gives_one_slot_per_position():
    assert find_global_tokens(MARKS, 9).index.shape == (3, 5)


def test_members_are_the_tokens_with_a_slot():
    assert np.array_equal(member_mask(find_global_tokens(MARKS, 3), 5), MARKS)
    assert member_mask(find_global_tokens(MARKS, 2), 5)[0].tolist() == [False, True, False, True, False]


def test_putting_back_what_was_taken_changes_nothing():
    x = jnp.arange(30.0).reshape(3, 5, 2)
    tokens = find_global_tokens(MARKS, 3)
    assert np.array_equal(put_rows(x, take_rows(x, tokens), tokens), x)


def test_an_unused_slot_writes_nowhere():
    x = jnp.zeros((3, 5, 1))
    tokens = find_global_tokens(MARKS, 3)
    assert np.array_equal(put_rows(x, jnp.ones((3, 3, 1)), tokens)[:, :, 0], MARKS)


def test_more_global_tokens_than_slots_are_refused_with_the_example_named():
    check_global_count(np.asarray(MARKS), 3)
    with pytest.raises(InputError, match="Example 0 of the batch has 3 global tokens but max_global_tokens is 2"):
        check_global_count(np.asarray(MARKS), 2)
