import numpy as np
import pytest

from data.order import LISTED, GroupedOrder, Order
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


def test_a_grouped_order_is_the_plain_one_sorted_within_each_group():
    lengths = np.random.default_rng(0).integers(1, 100, 50)
    grouped, plain = GroupedOrder(lengths, 3, batch_size=4, batches=5), Order(50, 3)
    positions = np.arange(200)
    found = grouped(positions)
    for begin in range(0, 200, 20):
        assert sorted(found[begin : begin + 20]) == sorted(plain(positions[begin : begin + 20]))
    spread = np.ptp(lengths[found].reshape(-1, 4), axis=1).mean()
    assert spread < np.ptp(lengths[plain(positions)].reshape(-1, 4), axis=1).mean() / 3
    firsts = lengths[found].reshape(-1, 5, 4).mean(2)
    assert not all((np.diff(group) > 0).all() for group in firsts)  # the batches of a group are in no order
    again = GroupedOrder(lengths, 3, batch_size=4, batches=5)
    assert (again(positions[::-1].copy())[::-1] == found).all()  # any position, at any time
