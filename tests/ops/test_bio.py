import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.bio import best_tags

ALL = np.ones((1, 3), bool)


def follows(before: int, tag: int) -> bool:
    return tag == 0 or tag % 2 == 1 or before in (tag - 1, tag)


def slow(logits: np.ndarray, counted: np.ndarray) -> tuple[list[int], float]:
    """Every sequence of tags tried in turn."""
    kept = logits[counted].astype(np.float64)
    best, found = -np.inf, None
    for tags in itertools.product(range(logits.shape[1]), repeat=len(kept)):
        if all(follows(before, tag) for before, tag in itertools.pairwise((0, *tags))):
            score = sum(kept[at, tag] for at, tag in enumerate(tags))
            if score > best:
                best, found = score, tags
    out = np.zeros(len(logits), int)
    out[counted] = found
    return out.tolist(), best


def test_a_tag_that_goes_on_needs_its_own_label_before():
    logits = np.zeros((1, 3, 5), np.float32)
    logits[0, 0, 2] = 9.0  # to go on at once is not allowed; to begin is as good as nothing
    logits[0, 1, 4] = 1.0  # to go on with the other label either
    logits[0, 1, 0] = 0.5
    logits[0, 2, 4] = 3.0
    # Best: begin label 1 anywhere before and go on twice (1 + 3); alone, "outside" at 1 would give 0.5.
    assert best_tags(jnp.asarray(logits), jnp.asarray(ALL)).tolist() == [[3, 4, 4]]


def test_places_that_do_not_count_are_passed_over():
    logits = np.zeros((1, 4, 3), np.float32)
    logits[0, 0, 1] = logits[0, 3, 2] = 5.0
    logits[0, 1:3, 0] = 100.0
    counted = jnp.asarray([[True, False, False, True]])
    assert best_tags(jnp.asarray(logits), counted).tolist() == [[1, 0, 0, 2]]
    assert best_tags(jnp.asarray(logits), jnp.zeros((1, 4), bool)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_the_best_of_all_sequences_is_found(labels):
    rng = np.random.default_rng(labels)
    logits = rng.normal(size=(40, 5, 1 + 2 * labels)).astype(np.float32)
    counted = rng.random((40, 5)) < 0.8
    found = jax.jit(best_tags)(jnp.asarray(logits), jnp.asarray(counted))
    errors = []
    for row in range(40):
        wanted, score = slow(logits[row], counted[row])
        tags = np.asarray(found[row])[counted[row]]
        errors.append(score - sum(logits[row][counted[row]].astype(float)[range(len(tags)), tags]))
        assert found[row].tolist() == wanted
    print(f"largest shortfall {max(errors):.1e}")  # 0 seen
    assert max(errors) < 1e-12


def test_padding_changes_nothing():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 6, 7)).astype(np.float32)
    counted = np.ones((3, 6), bool)
    short = best_tags(jnp.asarray(logits), jnp.asarray(counted))
    wide = np.concatenate([logits, rng.normal(size=(3, 4, 7)).astype(np.float32)], axis=1)
    padded = best_tags(jnp.asarray(wide), jnp.asarray(np.pad(counted, ((0, 0), (0, 4)))))
    assert padded.tolist() == np.pad(short, ((0, 0), (0, 4))).tolist()


def test_an_even_number_of_tags_is_refused():
    with pytest.raises(InputError, match="4 tags are not one, and two for each label"):
        best_tags(jnp.zeros((1, 2, 4)), jnp.ones((1, 2), bool))
