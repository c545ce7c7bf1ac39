"""Drawn tokens have the probabilities that the settings say, and depend on their own row alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from table import QUICK, Table

from decoding import Settings, generate
from decoding.choice import cut, likeliest
from errors import InputError

ROWS = 6_000
CHOICES = [
    {},
    {"temperature": 0.7},
    {"temperature": 2.0},
    {"top_k": 4},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"temperature": 1.7, "top_k": 7, "top_p": 0.9, "min_p": 0.05},
]


def exact(logits, *, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """The probabilities, one restriction after the other, in float64 and token by token."""
    logits = logits.astype(np.float64) / temperature
    order = sorted(range(len(logits)), key=lambda token: -logits[token])
    kept = order[: top_k or None]
    for rule in ("top_p", "min_p"):
        chances = np.exp(logits[kept] - logits[kept[0]])
        chances /= chances.sum()
        if rule == "top_p":
            before = [chances[:place].sum() for place in range(len(kept))]
            kept = [token for token, mass in zip(kept, before, strict=True) if mass < top_p]
        else:
            kept = [token for token, chance in zip(kept, chances, strict=True) if chance >= min_p * chances[0]]
    found = np.zeros(len(logits))
    found[kept] = np.exp(logits[kept] - logits[kept[0]])
    return found / found.sum()


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_second_tokens_are_drawn_with_their_probabilities(choice):
    model, settings = Table(spread=1.5), Settings(max_new_tokens=2, do_sample=True, **choice)

    def draw(key):
        return generate(model, jnp.full((ROWS, 1), 3), settings, key=key).tokens[:, 0]

    drawn = np.asarray(jax.jit(draw, compiler_options=QUICK)(jax.random.key(1)))
    firsts = exact(model.logits[0, 3], **choice)
    seconds = [exact(logits * model.growth(2), **choice) for logits in model.logits[3]]
    wanted = firsts[:, None] * np.array(seconds)
    counts = np.zeros_like(wanted)
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    assert not counts[wanted == 0].any()
    often = wanted * ROWS >= 5
    rare = wanted[~often].sum() * ROWS
    seen, due = counts[often], wanted[often] * ROWS
    if rare >= 5:
        seen, due = np.append(seen, counts[~often].sum()), np.append(due, rare)
    chance = stats.chisquare(seen, due * seen.sum() / due.sum()).pvalue
    print(f"p = {chance:.2f} of {len(seen)} kinds of pairs")
    assert chance > 1e-3  # the draws are fixed by their key; seen 0.05 to 0.9


def test_cut_keeps_the_likeliest_whatever_the_settings():
    logits = jnp.asarray([[0.0, 5.0, 5.0, -jnp.inf], [1.0, 1.0, 1.0, 1.0]])
    for choice in ({"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}):
        kept = np.isfinite(cut(logits, Settings(max_new_tokens=1, do_sample=True, **choice)))
        assert kept.tolist() == [[False, True, True, False], [True] * 4]  # ties stay


def test_the_likeliest_is_the_first_of_the_largest():
    logits = np.random.default_rng(0).integers(-3, 4, (50, 40)).astype(np.float32)
    logits[0], logits[1, 7], logits[2, :] = -np.inf, np.inf, np.nan
    np.testing.assert_array_equal(likeliest(jnp.asarray(logits)), logits.argmax(-1))
    logits[3, 5] = np.nan
    assert int(likeliest(jnp.asarray(logits))[3]) == 0


def test_a_text_depends_on_its_row_and_on_no_other():
    model, settings = Table(), Settings(max_new_tokens=12, do_sample=True, eos_token_id=2, num_return_sequences=2)
    key, prompts = jax.random.key(0), jnp.asarray([[1], [4], [1], [7]])

    @jax.jit
    def write(prompts, rows):
        return generate(model, prompts, settings, key=key, row_ids=rows)

    whole = write(prompts, jnp.arange(4))
    assert (whole.tokens[0] != whole.tokens[2]).any()  # the same prompt in another row
    assert (whole.tokens[:, 0] != whole.tokens[:, 1]).any()
    for rows in ([2], [3, 0, 1]):
        part = write(prompts[jnp.asarray(rows)], jnp.asarray(rows))
        for one, all_ in zip(part, whole, strict=True):
            np.testing.assert_array_equal(one, np.asarray(all_)[rows])


def test_drawing_needs_a_key():
    with pytest.raises(InputError, match="do_sample needs a key"):
        generate(Table(), jnp.ones((1, 1), jnp.int32), Settings(max_new_tokens=1, do_sample=True))
