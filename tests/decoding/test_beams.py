"""Beam search against one told slowly, and against all texts there are."""

import itertools

import jax
import numpy as np
import pytest
from oracle import beam_search
from table import QUICK, Table

from decoding import Settings, generate

PROMPTS = np.array([[3, 1], [4, 7], [0, 2], [9, 9], [5, 6]])


def searched(model, prompts, settings):
    found = jax.jit(lambda ids: generate(model, ids, settings), compiler_options=QUICK)(prompts)
    return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize("length_penalty", [0.0, 0.8, 2.0, -1.0])
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("ends", [(2,), (2, 5, 7)], ids=str)
def test_the_texts_and_scores_are_those_of_a_search_told_slowly(ends, early_stopping, length_penalty):
    how = {"length_penalty": length_penalty, "early_stopping": early_stopping, "num_beams": 4}
    settings = Settings(max_new_tokens=7, eos_token_id=ends, num_return_sequences=4, pad_token_id=10, **how)
    worst, lengths = 0.0, set()
    for seed in range(3):
        model = Table(seed=seed)
        found = searched(model, PROMPTS, settings)
        for row, prompt in enumerate(PROMPTS):
            wanted = beam_search(model.log_probabilities, prompt.tolist(), most=7, ends=ends, **how)
            for place, (score, text) in enumerate(wanted):
                length = found.lengths[row, place]
                assert found.tokens[row, place].tolist() == text + [10] * (7 - len(text))
                assert length == len(text)
                worst, lengths = max(worst, abs(found.scores[row, place] - score)), lengths | {len(text)}
    print(f"scores apart by {worst:.1e} nats; lengths {sorted(lengths)}")
    assert len(lengths) > 1
    assert worst < 2e-4 if length_penalty < 0 else worst < 1e-5  # seen 2e-5 and 2e-6


def test_enough_beams_find_the_likeliest_of_all_texts():
    model, most = Table(vocab_size=4, seed=5), 4
    settings = Settings(max_new_tokens=most, eos_token_id=3, num_beams=64, length_penalty=0.0, early_stopping="never")
    found = searched(model, np.array([[1]]), settings)

    def score(text):
        return sum(model.log_probabilities([1, *text[:n]])[token] for n, token in enumerate(text))

    texts = {text[: text.index(3) + 1] if 3 in text else text for text in itertools.product(range(4), repeat=most)}
    best = max(texts, key=score)
    assert tuple(found.tokens[0, 0, : found.lengths[0, 0]]) == best
    assert abs(found.scores[0, 0] - score(best)) < 1e-5  # seen 5e-7


def test_a_search_does_not_depend_on_the_other_rows():
    model = Table()
    settings = Settings(max_new_tokens=9, eos_token_id=(2, 5), num_beams=3, num_return_sequences=3)
    together = searched(model, PROMPTS, settings)
    for row in range(len(PROMPTS)):
        alone = searched(model, PROMPTS[row : row + 1], settings)
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_[row])


def test_of_fewer_texts_than_beams_the_rest_have_no_score():
    settings = Settings(max_new_tokens=1, num_beams=5, num_return_sequences=5, suppress_tokens=(0, 1))
    found = searched(Table(vocab_size=4), np.array([[1]]), settings)
    assert np.isfinite(found.scores[0]).tolist() == [True, True, False, False, False]
    assert found.lengths[0].tolist() == [1, 1, 0, 0, 0]
