import numpy as np
import pytest

from data.order import LISTED, Order
from errors import InputError


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1000])
def test_each_epoch_is_a_permutation_and_another_one(size):
    order = Order(size, seed=3)
    epochs = [order(np.arange(e * size, (e + 1) * size)) for e in range(3)]
    assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
    if size >= 100:
        assert len({tuple(epoch) for epoch in epochs}) == 3


def test_positions_may_be_asked_in_any_order_and_across_epochs():
    positions = np.random.default_rng(0).permutation(500)
    straight = Order(70, seed=1)(np.arange(500))
    assert (Order(70, seed=1)(positions) == straight[positions]).all()


def test_a_large_source_is_permuted_without_repeats():
    order = Order(LISTED, seed=5)
    some = order(np.arange(LISTED - 2000, LISTED))
    assert len(set(some.tolist())) == 2000
    assert 0 <= some.min() <= some.max() < LISTED
    print("mean of 2000 indices over their range:", some.mean() / LISTED)
    assert abs(some.mean() / LISTED - 0.5) < 0.03  # seen 0.5001; one standard error is 0.0065


def test_another_seed_is_another_order_even_shifted_by_an_epoch():
    first = [tuple(Order(50, seed=0)(np.arange(50 * e, 50 * e + 50))) for e in range(3)]
    second = [tuple(Order(50, seed=1)(np.arange(50 * e, 50 * e + 50))) for e in range(3)]
    assert not set(first) & set(second)


def test_the_order_is_the_one_that_checkpoints_were_made_with():
    """If this fails, a resumed run would read other examples than it promised; do not edit the lists."""
    assert Order(10, seed=42)(np.arange(20)).tolist() == GOLDEN_SMALL
    assert Order(1 << 20, seed=42)(np.arange(4)).tolist() == GOLDEN_LARGE


GOLDEN_SMALL = [7, 1, 6, 4, 3, 5, 9, 0, 2, 8, 4, 9, 5, 3, 0, 2, 7, 1, 6, 8]
GOLDEN_LARGE = [95901, 32665, 685196, 748825]


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(InputError, match="seed must lie in"):
        Order(10, seed=-1)
