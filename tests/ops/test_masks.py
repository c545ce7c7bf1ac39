import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.masks import causal_mask, longformer_mask, padding_mask, segment_mask, token_groups, window_mask
from ops.window import Window


def drawn(*rows: str) -> np.ndarray:
    return np.array([[mark == "x" for mark in row] for row in rows])


def test_padding_is_seen_by_no_query():
    mask = padding_mask(jnp.array([[True, True, False]]))
    assert np.array_equal(mask[0], drawn("xx."))


def test_segments_do_not_see_each_other_and_segment_zero_sees_nothing():
    mask = segment_mask(jnp.array([[1, 1, 2, 0, 0]]))
    assert np.array_equal(mask[0], drawn("xx...", "xx...", "..x..", ".....", "....."))


def test_causal_queries_see_themselves_and_the_past():
    assert np.array_equal(causal_mask(3)[0], drawn("x..", "xx.", "xxx"))


def test_a_window_of_one_sees_one_neighbour_on_each_side():
    assert np.array_equal(window_mask(5, window=1)[0], drawn("xx...", "xxx..", ".xxx.", "..xxx", "...xx"))


def test_a_window_wider_than_the_row_sees_everything():
    assert bool(window_mask(3, window=7).all())


def test_global_tokens_see_and_are_seen_by_all_real_tokens():
    groups = token_groups((1, 6), real=jnp.array([[True, True, True, True, True, False]]))
    is_global = jnp.array([[False, False, False, True, False, False]])
    mask = longformer_mask(groups, is_global, window=1)
    assert np.array_equal(mask[0, 0], drawn("xx.x..", "xxxx..", ".xxx..", "xxxxx.", "...xx.", "......"))


def test_a_global_token_stays_inside_its_segment():
    groups = token_groups((1, 6), segment_ids=jnp.array([[1, 1, 1, 2, 2, 2]]))
    is_global = jnp.array([[True, False, False, False, False, False]])
    mask = longformer_mask(groups, is_global, window=1)
    assert np.array_equal(mask[0, 0], drawn("xxx...", "xxx...", "xxx...", "...xx.", "...xxx", "....xx"))


def test_a_padded_token_is_in_group_zero_whatever_its_segment():
    groups = token_groups((1, 3), real=jnp.array([[True, False, True]]), segment_ids=jnp.array([[1, 1, 2]]))
    assert groups.tolist() == [[1, 0, 2]]


def test_a_window_below_one_is_refused():
    with pytest.raises(InputError, match="window must be at least 1 token, got 0"):
        window_mask(4, window=0)


def test_each_head_has_a_window_of_its_own():
    mask = window_mask(6, window=Window((1, 1), dilation=(1, 2)), heads=2)
    assert np.array_equal(mask[0], drawn("xx....", "xxx...", ".xxx..", "..xxx.", "...xxx", "....xx"))
    assert np.array_equal(mask[1], drawn("x.x...", ".x.x..", "x.x.x.", ".x.x.x", "..x.x.", "...x.x"))


def test_a_causal_window_and_its_global_tokens_see_no_later_key():
    groups = token_groups((1, 5))
    is_global = jnp.array([[True, False, False, True, False]])
    mask = longformer_mask(groups, is_global, window=Window(1, causal=True))
    assert np.array_equal(mask[0, 0], drawn("x....", "xx...", "xxx..", "xxxx.", "x..xx"))


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (Window((3, 2)), r"window has 2 numbers for 3 heads: \(3, 2\)"),
        (Window(2, dilation=0), "dilation must be at least 1 token, got 0"),
    ],
)
def test_a_window_that_fits_no_heads_is_refused(window, told):
    with pytest.raises(InputError, match=told):
        window_mask(4, window=window, heads=3)
