import numpy as np
import pytest

from data.loader import Share, TrainBatches
from data.mixture import SLOTS, Mixture, slots_of
from errors import InputError


class Part:
    """`size` examples that know where they come from."""

    def __init__(self, name, size):
        self.name, self.size = name, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        assert 0 <= index < self.size
        return {"part": np.int32(self.name), "number": np.int32(index)}


SIZES, WEIGHTS = (7, 30, 1000), (5, 3, 2)


def mixture(sizes=SIZES, weights=WEIGHTS):
    return Mixture([Part(name, size) for name, size in enumerate(sizes)], weights)


def stream(length, seed=3, **how):
    mixed = mixture(**how)
    return [mixed[index] for index in mixed.order(seed)(np.arange(length)).tolist()]


def test_each_source_has_its_share_of_every_round_of_slots():
    drawn = np.array([example["part"] for example in stream(3 * SLOTS)])
    for number in range(3):
        shares = np.bincount(drawn[number * SLOTS : (number + 1) * SLOTS]) / SLOTS
        assert np.abs(shares - np.array(WEIGHTS) / 10).max() < 1 / SLOTS
    windows = np.array([np.bincount(drawn[at : at + 200], minlength=3) for at in range(0, len(drawn) - 200, 200)])
    assert (windows > 10).all()  # mixed throughout, not one after the other


def test_each_source_goes_through_all_of_its_examples_before_it_repeats_one():
    drawn = stream(2 * SLOTS)
    for name, size in enumerate(SIZES):
        numbers = [example["number"] for example in drawn if example["part"] == name]
        for epoch in range(len(numbers) // size):
            assert sorted(numbers[epoch * size : (epoch + 1) * size]) == list(range(size))
    epochs = [tuple(e["number"] for e in drawn if e["part"] == 0)[n * 7 : n * 7 + 7] for n in range(50)]
    assert len(set(epochs)) > 40  # shuffled anew in each


def test_any_position_can_be_asked_for_alone():
    order = mixture().order(3)
    positions = np.array([0, 5, SLOTS - 1, SLOTS, 3 * SLOTS + 17, 10**9])
    assert order(positions).tolist() == [int(order(positions[at : at + 1])[0]) for at in range(len(positions))]


def test_the_order_depends_on_the_seed_and_differs_between_sources_of_one_size():
    one, other = (mixture((50, 50), (1, 1)).order(seed)(np.arange(400)) for seed in (1, 2))
    assert (one != other).mean() > 0.9
    first, second = one[one < 50][:50], one[one >= 50][:50] - 50
    assert (first != second).mean() > 0.8


def test_processes_and_micro_batches_divide_a_mixture_as_any_source():
    whole = TrainBatches(mixture(), seed=1, batch_size=8)
    parts = [TrainBatches(mixture(), seed=1, batch_size=8, share=Share(at, 2)) for at in range(2)]
    for step in (0, 3, 700):
        joined = np.concatenate([part.at(step)["number"] for part in parts])
        assert joined.tolist() == whole.at(step)["number"].tolist()


def test_shares_are_kept_to_the_nearest_slot_and_none_is_lost():
    assert slots_of((1, 1, 1)).tolist() == [1366, 1365, 1365]
    assert slots_of((1e-9, 1)).tolist() == [1, SLOTS - 1]
    assert slots_of((0.3, 0.7)).sum() == SLOTS


@pytest.mark.parametrize("weights", [(1, 0), (1, -2), (1, float("nan")), (1, float("inf"))])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(InputError, match=r"data.mixture: the weights .* must be finite numbers above 0"):
        mixture((3, 3), weights)


def test_a_part_without_examples_is_refused():
    with pytest.raises(InputError, match="each part needs at least one example"):
        mixture((3, 0), (1, 1))
