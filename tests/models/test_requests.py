"""Hidden states and attentions on request: what they are, by the sums that the nets themselves make of them."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import config, jitted, marked, small, token_ids

from models import MODELS, MaskedLM
from models.attention import FullView, join_heads, split_heads
from models.stack import visible_groups
from models.window_attention import LongformerView
from ops.global_tokens import find_global_tokens, member_mask

ASK = {"output_hidden_states": True, "output_attentions": True}
LENGTH = 23


def inputs():
    real = jnp.ones((2, LENGTH), jnp.int32).at[1, 17:].set(0)
    return {"input_ids": token_ids(2, LENGTH), "attention_mask": real}


def asked(name, **changes):
    model = small(name, **{"depth": 2} | changes)
    more = {"global_attention_mask": marked(2, LENGTH, 0, 9)} if name == "longformer" else {}
    return model, jitted(model, lambda m: m(**inputs(), **more, **ASK))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_changes_by_asking_and_the_last_state_is_the_answer(name, norm):
    model, found = asked(name, norm=norm)
    more = {"global_attention_mask": marked(2, LENGTH, 0, 9)} if name == "longformer" else {}
    plain = jitted(model, lambda m: m(**inputs(), **more))
    assert plain.hidden_states is plain.attentions is None
    np.testing.assert_allclose(found.last_hidden_state, plain.last_hidden_state, atol=1e-6)
    assert len(found.hidden_states) == 3
    assert (found.hidden_states[-1] == found.last_hidden_state).all()
    assert len(found.attentions) == 2
    assert all(weights.shape == (2, 4, LENGTH, LENGTH) for weights in found.attentions)


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_a_real_token_add_up_to_one_and_lie_on_what_it_sees(name):
    _, found = asked(name)
    real = np.asarray(inputs()["attention_mask"]) == 1
    for weights in found.attentions:
        rows = np.asarray(weights).swapaxes(1, 2)[real]
        np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-6)
        assert not rows[LENGTH:, :, 17:].any()  # of the second row, whose end is padding


@pytest.mark.parametrize("name", ["transformer", "alternating"])
def test_stacked_layers_show_what_single_ones_show(name):
    same = {"windows": (3,)} if name == "alternating" else {}
    (_, single), (_, stacked) = (asked(name, depth=3, scan=scan, **same) for scan in (False, True))
    assert len(stacked.attentions) == 3
    assert [x.shape for x in single.hidden_states] == [x.shape for x in stacked.hidden_states]


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("name", [*MODELS, "relative"])
def test_an_attention_is_the_sum_of_the_values_by_its_weights(name, positions):
    """Of the Longformer the rows of global tokens sum the values of their own projection."""
    model = small("transformer", positions="relative") if name == "relative" else small(name, positions=positions)
    attention, given = model.layers[0].attention, inputs()
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, LENGTH, 32)), jnp.float32)
    groups = visible_groups(given["input_ids"], given["attention_mask"], None)
    places = jnp.broadcast_to(jnp.arange(LENGTH), (2, LENGTH)) if positions == "rotary" and name != "relative" else None
    if name == "longformer":
        view = LongformerView(groups, find_global_tokens(marked(2, LENGTH, 0, 9) == 1, 4), places)
    elif name == "relative":
        view = FullView(mask=(groups != 0)[:, None], bias=model.relative(jnp.arange(LENGTH), LENGTH))
    else:
        view = FullView(groups=groups, places=places)
    weights = attention.weights(x, view)
    summed = jnp.einsum("bhts,bshk->bthk", weights, split_heads(attention.value(x), 4))
    if name == "longformer":
        wide = jnp.einsum("bhts,bshk->bthk", weights, split_heads(attention.value_global(x), 4))
        summed = jnp.where(member_mask(view.tokens, LENGTH)[:, :, None, None], wide, summed)
    want = attention.output(join_heads(summed))
    error = np.abs(np.asarray(attention(x, view)[0] - want))[np.asarray(groups) == 1].max() / want.std()
    print(f"{name} {positions}: {error:.1e}")
    assert error < 1e-5  # seen 9e-7


def test_heads_hand_on_what_was_asked_for():
    model = small("transformer", lambda encoder: MaskedLM(encoder, rngs=nnx.Rngs(0)), depth=2)
    found = model(**inputs(), predict_positions=jnp.zeros((2, 1), jnp.int32), **ASK)
    assert found.logits.shape == (2, 1, config("transformer").vocab_size)
    assert len(found.hidden_states) == 3
    assert len(found.attentions) == 2
