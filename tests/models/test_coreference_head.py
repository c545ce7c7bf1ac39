"""The head of coreference: spans against a loop, padding changes nothing, and what comes later changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, small

from errors import InputError
from models.coreference import CoreferenceModel, likeliest_spans
from ops.attention import MASKED

TOKENS = 5  # of the longest mention


def model_of(name="transformer", kept=0.4, **more):
    def head(encoder):
        return CoreferenceModel(encoder, mention_tokens=TOKENS, kept=kept, width=12, rngs=nnx.Rngs(1))

    model = small(name, head, **more)
    nnx.update(model, jax.tree.map(lambda x: 8 * x, nnx.state(model, nnx.Param)))  # else all spans are alike
    return model


def document(lengths=(20, 14), size=20):
    """Words of one or two tokens in sentences of six tokens; two rows, the second shorter."""
    dice = np.random.default_rng(0)
    begins = np.ones((2, size), np.int32)
    begins[:, 2::5] = 0  # the second token of a word
    ends = np.roll(begins, -1, axis=1)
    sentences = np.broadcast_to(1 + np.arange(size) // 6, (2, size)).copy()
    real = np.arange(size) < np.array(lengths)[:, None]
    ids = dice.integers(5, 60, (2, size))
    fields = {"attention_mask": real, "sentence_ids": sentences, "word_begins": begins, "word_ends": ends}
    return jnp.asarray(ids, jnp.int32), {name: jnp.asarray(x * real, jnp.int32) for name, x in fields.items()}


def slow_logits(model, x):
    """Span by span, as the equations stand."""
    head, antecedents = model.mentions, model.antecedents
    first, last = head.first(x, None), head.last(x, None)
    spans = {}
    for s in range(x.shape[0]):
        for end in range(s, min(s + TOKENS, x.shape[0])):
            alone = head.of_first(first[s])[0] + head.of_last(last[end])[0]
            spans[s, end] = alone + head.pair(first[s]) @ last[end]

    def pair(one, other):
        ends = [jnp.concatenate([antecedents.first(x[a], None), antecedents.last(x[b], None)]) for a, b in (one, other)]
        return spans[one] + spans[other] + antecedents.pair(ends[0]) @ ends[1]

    return spans, pair


def test_logits_are_those_of_the_equations_span_by_span():
    model = model_of()
    ids, fields = document()
    out = jitted(model, lambda m: m(ids, **fields))
    for row in range(2):
        spans, pair = slow_logits(model, out.last_hidden_state[row])
        f = {name: np.asarray(x[row]) for name, x in fields.items()}
        may = [
            (a, b)
            for a, b in spans
            if f["word_begins"][a] and f["word_ends"][b] and f["sentence_ids"][a] == f["sentence_ids"][b]
        ]
        room = int(0.4 * f["attention_mask"].sum())
        wanted = sorted(sorted(may, key=lambda span: -spans[span])[:room])
        kept = np.asarray(out.kept[row])
        got = list(zip(out.first_tokens[row][kept].tolist(), out.last_tokens[row][kept].tolist(), strict=True))
        assert got == wanted
        logits = np.asarray(out.antecedent_logits[row])
        scale = max(abs(float(pair(one, other))) for one in wanted for other in wanted)
        for k, one in enumerate(wanted):
            assert logits[k, 0] == 0
            for j, other in enumerate(wanted):
                expected = float(pair(one, other)) if j < k else MASKED
                assert abs(logits[k, 1 + j] - expected) <= 1e-5 * max(scale, abs(expected))  # 5e-7 seen


def test_padding_changes_nothing():
    model = model_of("longformer")
    ids, fields = document(lengths=(14, 14))

    def shorter(x):
        return x[:, :14]

    whole, cut = jitted(
        model, lambda m: (m(ids, **fields), m(shorter(ids), **{n: shorter(x) for n, x in fields.items()}))
    )
    few = cut.kept.shape[1]
    assert not whole.kept[:, few:].any()
    np.testing.assert_array_equal(whole.kept[:, :few], cut.kept)
    np.testing.assert_array_equal(whole.first_tokens[:, :few], cut.first_tokens)
    np.testing.assert_array_equal(whole.last_tokens[:, :few], cut.last_tokens)
    where = jnp.pad(cut.kept[:, :, None] & cut.kept[:, None, :], ((0, 0), (0, 0), (1, 0)), constant_values=True)
    difference = jnp.where(where, whole.antecedent_logits[:, :few, : 1 + few] - cut.antecedent_logits, 0)
    spread = jnp.std(cut.antecedent_logits, where=cut.antecedent_logits > MASKED)
    assert jnp.abs(difference).max() < 1e-4 * spread


def test_gradients_are_finite_and_reach_every_parameter():
    ids, fields = document()

    def loss(m):
        out = m(ids, **fields)
        return jnp.where(out.antecedent_logits > MASKED, jnp.square(out.antecedent_logits), 0).sum()

    found = gradients(model_of(), loss)
    assert all(np.isfinite(x).all() for x in found.values())
    assert not [name for name, x in found.items() if name.startswith(("mentions", "antecedents")) and not x.any()]


def test_a_row_without_a_span_keeps_none():
    logits, may = jnp.zeros((2, 4, 2)), jnp.zeros((2, 4, 2), bool).at[0, 1, 1].set(True)
    first, last, kept, told = likeliest_spans(logits, may, room=jnp.array([3, 3]), most=3)
    assert kept.tolist() == [[True, False, False], [False] * 3]
    assert (first[0, 0], last[0, 0]) == (1, 2)
    assert not told.any()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mention_tokens": 0, "kept": 0.4}, "model.mention_tokens=0 must be at least 1"),
        ({"mention_tokens": 3, "kept": 1.5}, "model.mentions_kept=1.5 is a share"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(keys, message):
    with pytest.raises(InputError, match=message):
        small("transformer", lambda encoder: CoreferenceModel(encoder, **keys, rngs=nnx.Rngs(1)))
