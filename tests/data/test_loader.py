import itertools
import json
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.classification import PadTo
from data.loader import EvalBatches, Share, TrainBatches
from data.order import LISTED
from errors import InputError


class Numbers:
    """Example i is the number i."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return {"input_ids": np.full(3, index, np.int32)}


class Ragged(Numbers):
    """Example i has 1 + i tokens."""

    lengths = np.arange(1, 101)

    def __getitem__(self, index):
        return {"input_ids": np.full(index + 1, index, np.int32), "index": index, "label": index % 2}


class Shuffled(Ragged):
    """Example i has `lengths[i]` tokens."""

    def __init__(self, lengths):
        super().__init__(len(lengths))
        self.lengths = np.asarray(lengths)

    def __getitem__(self, index):
        return {"input_ids": np.full(self.lengths[index], index, np.int32), "index": index}


def with_chance(example, rng):
    return example | {"label": int(rng.integers(0, 1 << 30))}


def with_noise(example, rng):
    return example | {"noise": rng.integers(0, 1 << 40, 2), "label_weights": np.ones(2, np.float32)}


def train(size=23, *, seed=7, batch_size=8, **options):
    return TrainBatches(Numbers(size), seed=seed, batch_size=batch_size, transform=with_noise, **options)


def same(a, b):
    return a.keys() == b.keys() and all((a[key] == b[key]).all() for key in a)


def numbers(batch):
    return batch["input_ids"][:, 0].tolist()


def test_a_batch_is_a_function_of_seed_and_step_alone():
    first, second = train(ahead=0), train(ahead=3)
    for step, batch in enumerate(itertools.islice(second, 12)):
        assert same(batch, first.at(step))
    second.close()
    assert not same(train(seed=8).at(0), first.at(0))


def test_reading_ahead_and_looking_elsewhere_do_not_disturb_the_iterator():
    batches, reference = train(), train(ahead=0)
    for step in range(9):
        batches.at(100 - step)
        assert batches.step == step
        assert same(next(batches), reference.at(step))
    batches.close()


@given(size=st.integers(1, 40), batch_size=st.integers(1, 16))
@settings(max_examples=40, deadline=None)
def test_every_example_appears_once_an_epoch_and_no_remainder_is_lost(size, batch_size):
    batches = TrainBatches(Numbers(size), seed=1, batch_size=batch_size, ahead=0)
    stream = list(
        itertools.chain.from_iterable(numbers(batches.at(step)) for step in range(-(-3 * size // batch_size)))
    )
    for epoch in range(3):
        assert sorted(stream[epoch * size : (epoch + 1) * size]) == list(range(size))


@pytest.mark.parametrize("size", [23, LISTED + 1])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_together_hold_the_same_global_batch(size, count):
    whole = train(size)
    parts = [train(size, share=Share(index, count)) for index in range(count)]
    for step in (0, 1, 2, 17, LISTED // 8):
        expected = whole.at(step)
        joined = [part.at(step) for part in parts]
        assert same({key: np.concatenate([part[key] for part in joined]) for key in expected}, expected)
        assert whole.indices(step) == parts[-1].indices(step) == numbers(expected)


@pytest.mark.parametrize("count", [1, 2])
def test_each_micro_batch_holds_the_same_examples_on_any_number_of_processes(count):
    whole, parts = train().at(5), [train(share=Share(i, count), accumulation=2).at(5) for i in range(count)]
    for number in range(2):
        joined = [n for part in parts for n in np.split(np.array(numbers(part)), 2)[number].tolist()]
        assert joined == np.split(np.array(numbers(whole)), 2)[number].tolist()


def test_randomness_is_drawn_anew_in_every_epoch():
    batches = train(16, batch_size=16)
    noise = [
        {number: tuple(noise) for number, noise in zip(numbers(b), b["noise"], strict=True)}
        for b in map(batches.at, range(4))
    ]
    for number in range(16):
        assert len({epoch[number] for epoch in noise}) == 4


@pytest.mark.parametrize("step", [0, 1, 5, 22, 23, 1000])
def test_resuming_from_any_step_gives_the_same_next_batches(step):
    straight = train()
    straight.seek(step)
    expected = list(itertools.islice(straight, 4))
    state = json.loads(json.dumps({**straight.state(), "step": step}))
    resumed = train()
    next(resumed)
    resumed.restore(state)
    assert all(same(a, b) for a, b in zip(expected, itertools.islice(resumed, 4), strict=True))
    assert resumed.state()["step"] == step + 4
    straight.close()
    resumed.close()


def test_resuming_on_another_process_count_gives_the_same_global_batches():
    state = train().state() | {"step": 9}
    parts = [train(share=Share(index, 2)) for index in range(2)]
    for part in parts:
        part.restore(state)
    joined = [next(part) for part in parts]
    assert numbers(train().at(9)) == [n for batch in joined for n in numbers(batch)]
    for part in parts:
        part.close()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seed": 8}, "data seed=7 but this run has 8"),
        ({"batch_size": 4}, "data batch_size=8 but this run has 4"),
        ({"size": 24}, "data examples=23 but this run has 24"),
    ],
)
def test_resuming_with_another_order_is_refused(change, match):
    with pytest.raises(InputError, match=match):
        train(**change).restore(train().state())


def test_evaluation_sees_every_example_once_and_weighs_the_filler_zero():
    batches = EvalBatches(Numbers(11), batch_size=4, transform=with_noise)
    assert len(batches) == 3
    seen = list(batches)
    assert [b["input_ids"].shape for b in seen] == [(4, 3)] * 3
    weights = np.concatenate([b["example_weights"] for b in seen])
    assert weights.dtype == np.float32
    order = [n for b in seen for n in numbers(b)]
    assert [n for n, w in zip(order, weights, strict=True) if w] == list(range(11))
    assert weights.sum() == 11
    assert np.concatenate([b["label_weights"] for b in seen]).sum() == 22
    assert all(same(a, b) for a, b in zip(seen, batches, strict=True))


def test_evaluation_by_length_tells_the_same_examples_by_the_same_chances_and_pads_less():
    source = Shuffled([3, 50, 2, 90, 12, 60, 7])
    options = {"batch_size": 2, "collate": PadTo((4, 16, 64, 100), pad_id=0), "transform": with_chance}
    passes = [list(EvalBatches(source, **options, longest_first=longest)) for longest in (False, True)]
    assert [[b["input_ids"].shape[1] for b in batches] for batches in passes] == [[64, 100, 64, 16], [100, 64, 16, 4]]
    told = [
        {
            (index, label)
            for b in batches
            for index, label, weight in zip(b["index"], b["labels"], b["example_weights"], strict=True)
            if weight
        }
        for batches in passes
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 7
    unsized = EvalBatches(Numbers(5), batch_size=2, longest_first=True)  # without lengths: as they stand
    assert [n for b in unsized for n in numbers(b)] == [0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("at_most", "spread", "first"),
    [
        (0, range(6), range(6)),
        (1, [0], [0]),
        (3, [0, 2, 4], [0, 1, 2]),
        (4, [0, 1, 3, 4], range(4)),
        (9, range(6), range(6)),
    ],
)
def test_a_few_batches_lie_all_over_the_source_or_at_its_beginning(at_most, spread, first):
    for wanted, at_the_beginning in ((spread, False), (first, True)):
        batches = EvalBatches(Numbers(12), batch_size=2, at_most=at_most, first=at_the_beginning)
        assert len(batches) == len(wanted)
        assert [numbers(batch) for batch in batches] == [[2 * step, 2 * step + 1] for step in wanted]


@pytest.mark.parametrize("size", [1, 5, 8, 11])
def test_evaluation_on_two_processes_is_the_same_pass(size):
    whole = list(EvalBatches(Numbers(size), batch_size=4, transform=with_noise))
    parts = [list(EvalBatches(Numbers(size), batch_size=4, transform=with_noise, share=Share(i, 2))) for i in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(whole)
    for expected, *joined in zip(whole, *parts, strict=True):
        assert same({key: np.concatenate([part[key] for part in joined]) for key in expected}, expected)


def test_all_processes_pad_to_the_longest_example_of_the_global_batch():
    options = {"seed": 0, "batch_size": 8, "collate": PadTo((16, 32, 64, 100), pad_id=0)}
    whole = TrainBatches(Ragged(100), **options)
    parts = [TrainBatches(Ragged(100), **options, share=Share(i, 4)) for i in range(4)]
    for step in range(20):
        longest = max(whole.indices(step)) + 1
        width = next(n for n in (16, 32, 64, 100) if n >= longest)
        assert {part.at(step)["input_ids"].shape for part in parts} == {(2, width)}
    padded = list(EvalBatches(Ragged(100), batch_size=8, collate=options["collate"]))
    assert {b["input_ids"].shape[1] for b in padded} == {16, 32, 64, 100}


def test_the_longest_batch_has_the_shape_of_the_longest_example_wherever_that_is_drawn():
    options = {"seed": 0, "batch_size": 4, "collate": PadTo((16, 32, 100), pad_id=0)}
    batches = TrainBatches(Shuffled([9] * 99 + [90]), **options)
    assert batches.at(0)["input_ids"].shape == (4, 16)
    assert batches.longest()["input_ids"].shape == (4, 100)
    assert np.array_equal(batches.longest()["index"], batches.at(0)["index"])
    assert train().longest().keys() == train().at(0).keys()  # whose examples are all of one length


@pytest.mark.parametrize(("vocab_size", "bad"), [(20, 20), (22, 22)])
def test_ids_outside_the_vocabulary_are_refused_naming_the_example(vocab_size, bad):
    batches = train(vocab_size=vocab_size, batch_size=23)
    with pytest.raises(
        InputError, match=rf"example 2\d of the data has token id 2\d at place 0, outside .* of {vocab_size}"
    ):
        next(batches)
    batches.close()
    assert train(vocab_size=23, batch_size=23).at(0)
    low = EvalBatches([{"input_ids": np.asarray([3, -1])}], batch_size=1, vocab_size=5)
    with pytest.raises(InputError, match="example 0 of the data has token id -1 at place 1"):
        list(low)


def test_other_refusals():
    with pytest.raises(InputError, match="no training example"):
        train(0)
    with pytest.raises(InputError, match="no example to evaluate"):
        EvalBatches([], batch_size=2)
    with pytest.raises(InputError, match="a batch of 8 examples in 1 micro-batches cannot be cut into 3"):
        train(share=Share(0, 3))
    with pytest.raises(InputError, match="a batch of 0 examples"):
        train(batch_size=0)
    with pytest.raises(InputError, match="seed must lie in"):
        train(seed=1 << 32)


def test_an_error_in_the_reading_thread_reaches_the_caller():
    def fail(example, rng):
        raise RuntimeError("broken transform")

    batches = TrainBatches(Numbers(4), seed=0, batch_size=2, transform=fail)
    with pytest.raises(RuntimeError, match="broken transform"):
        next(batches)
    batches.close()


def test_closing_stops_the_reading_thread():
    before = set(threading.enumerate())
    batches = train()
    next(batches)
    batches.close()
    deadline = time.monotonic() + 60  # of a machine that others use too
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
    assert numbers(next(batches)) == numbers(train().at(1))
    batches.close()
