"""The Longformer against transformers' LongformerModel, weights copied across."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, token_ids

from models import Longformer, LongformerConfig

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

from reference import copied, gradient_error, relative_error, scale_up, their_gradients  # noqa: E402

LENGTH = 45  # no multiple of a window


def longformer_pair(windows=(4, 8), slots=6):
    config = transformers.LongformerConfig(
        vocab_size=67,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=80,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=80,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        attention_window=[2 * window for window in windows],
    )
    theirs = scale_up(transformers.LongformerModel(config, add_pooling_layer=False))
    cfg = LongformerConfig(
        vocab_size=67,
        width=48,
        depth=2,
        heads=6,
        mlp_width=80,
        max_positions=78,
        token_types=1,
        windows=windows,
        max_global_tokens=slots,
    )
    return copied(lambda: Longformer(cfg, rngs=nnx.Rngs(0)), theirs, first_place=2), theirs


def inputs(seed=0):
    """Rows with no, one and several global tokens, padding on either side."""
    ids = np.array(token_ids(4, LENGTH, vocab_size=65)) + 2
    real = np.ones_like(ids)
    real[1, 30:] = 0
    real[2, :7] = 0
    draw = np.random.default_rng(seed)
    is_global = np.zeros_like(ids)
    for row, count in enumerate((5, 1, 3, 0)):
        is_global[row, draw.choice(np.flatnonzero(real[row]), count, replace=False)] = 1
    return ids, real, is_global


def their_states(theirs, ids, real, is_global):
    ids, real, is_global = (torch.tensor(each, dtype=torch.long) for each in (ids, real, is_global))
    return theirs(input_ids=ids, attention_mask=real, global_attention_mask=is_global).last_hidden_state


def our_states(model, ids, real, is_global):
    ids, real, is_global = (jnp.array(each) for each in (ids, real, is_global))
    return model(ids, attention_mask=real, global_attention_mask=is_global).last_hidden_state


@pytest.mark.parametrize("slots", [6, 8])  # below the head width of 8, and not: the two ways of models/attention.py
def test_longformer_hidden_states_agree(slots):
    ours, theirs = longformer_pair(slots=slots)
    ids, real, is_global = inputs(slots)
    with torch.no_grad():
        reference = their_states(theirs, ids, real, is_global).numpy()
    got = jitted(ours, lambda m: our_states(m, ids, real, is_global))
    error = relative_error(np.asarray(got)[real == 1], reference[real == 1])
    print(f"Longformer, 2 layers: error {error:.1e} of the spread")
    assert error < 1e-5


def test_longformer_gradients_agree():
    ours, theirs = longformer_pair()
    ids, real, is_global = inputs()
    weights = np.random.default_rng(1).standard_normal((4, LENGTH, 48)).astype(np.float32) * real[:, :, None]
    loss = (their_states(theirs, ids, real, is_global) * torch.tensor(weights)).sum()
    reference = their_gradients(theirs, loss, first_place=2)
    got = gradients(ours, lambda m: (our_states(m, ids, real, is_global) * weights).sum())
    error = gradient_error(got, reference)
    print(f"Longformer gradients, {len(got)} parameters: error {error:.1e}")
    assert error < 1e-4
