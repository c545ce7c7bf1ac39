import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.attention import MASKED
from ops.spans import best_spans


def every_span(start, end, starts, ends, longest):
    """By going through all of them: [(score, first, last)], best first."""
    start, end = np.asarray(start), np.asarray(end)
    S = len(start)
    spans = [(a, b) for a in range(S) for b in range(a, min(S, a + longest)) if starts[a] and ends[b]]
    return sorted(((start[a] + end[b], a, b) for a, b in spans), reverse=True)


@pytest.mark.parametrize("longest", [1, 3, 50])
def test_the_best_spans_are_those_that_going_through_all_of_them_finds(longest):
    rng = np.random.default_rng(longest)
    start, end = jnp.asarray(rng.normal(size=(2, 4, 12)) * 3, jnp.float32)
    starts, ends = rng.random((2, 4, 12)) < 0.7
    found = best_spans(start, end, starts=jnp.asarray(starts), ends=jnp.asarray(ends), longest=longest, count=6)
    for row in range(4):
        expected = every_span(start[row], end[row], starts[row], ends[row], longest)
        best = expected[:6]
        assert list(zip(found.starts[row].tolist(), found.ends[row].tolist(), strict=True))[: len(best)] == [
            (a, b) for _, a, b in best
        ]
        np.testing.assert_allclose(found.scores[row][: len(best)], [score for score, _, _ in best], rtol=1e-6)
        total = np.logaddexp.reduce([score for score, _, _ in expected])
        error = abs(float(found.total[row]) - total)
        print(f"total {error:.1e}")  # 3e-6 seen
        assert error < 1e-5


def test_a_hand_case_takes_the_end_that_comes_after():
    start, end = jnp.asarray([[0.0, 5.0, 0.0, 1.0]]), jnp.asarray([[9.0, 0.0, 2.0, 1.0]])
    every = jnp.ones((1, 4), bool)
    found = best_spans(start, end, starts=every.at[0, 0].set(False), ends=every.at[0, 0].set(False), longest=3, count=2)
    assert (found.starts[0].tolist(), found.ends[0].tolist()) == ([1, 1], [2, 3])
    assert found.scores[0].tolist() == [7.0, 6.0]


def test_a_row_without_a_place_for_an_answer_has_masked_scores_and_no_nan():
    nothing = jnp.zeros((1, 4), bool)
    found = best_spans(jnp.ones((1, 4)), jnp.ones((1, 4)), starts=nothing, ends=nothing, longest=3, count=20)
    assert found.scores.shape == (1, 12)
    assert (found.scores <= MASKED).all()
    assert float(jnp.exp(found.total[0])) == 0.0
    assert not jnp.isnan(found.total).any()


def test_what_is_masked_has_no_say_in_the_rest():
    rng = np.random.default_rng(0)
    start, end = jnp.asarray(rng.normal(size=(2, 2, 8)), jnp.float32)
    may = jnp.arange(8)[None] > jnp.asarray([[2], [4]])
    how = {"starts": may, "ends": may, "longest": 4, "count": 3}
    one = best_spans(start, end, **how)
    other = best_spans(jnp.where(may, start, 1e6), jnp.where(may, end, jnp.nan), **how)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_no_answer_to_look_for_is_refused():
    every = jnp.ones((1, 4), bool)
    with pytest.raises(InputError, match="must be at least 1, got 0 and 3"):
        best_spans(jnp.ones((1, 4)), jnp.ones((1, 4)), starts=every, ends=every, longest=0, count=3)
