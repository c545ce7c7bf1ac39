"""The Transformer and its heads against transformers' BERT and RoBERTa, weights copied across."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, token_ids

from models import MaskedLM, SequenceClassifier, Transformer, TransformerConfig

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

from reference import copied, gradient_error, relative_error, scale_up, their_gradients  # noqa: E402

SIZES = {"vocab_size": 67, "width": 48, "depth": 2, "heads": 6, "mlp_width": 80, "max_positions": 40}
THEIR_SIZES = {
    "vocab_size": 67,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 80,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def inputs():
    ids = np.array(token_ids(3, 33, vocab_size=65)) + 2  # RoBERTa reads padding from id 1: none here
    real = np.ones_like(ids)
    real[1, 20:] = 0
    real[2, :9] = 0
    return ids, real


def tensors(*arrays):
    return (torch.tensor(np.asarray(each), dtype=torch.long) for each in arrays)


def bert_pair():
    config = transformers.BertConfig(**THEIR_SIZES, max_position_embeddings=40, layer_norm_eps=1e-5)
    theirs = scale_up(transformers.BertModel(config, add_pooling_layer=False))
    cfg = TransformerConfig(**SIZES, token_types=2)
    return copied(lambda: Transformer(cfg, rngs=nnx.Rngs(0)), theirs), theirs


def roberta_pair(theirs_type, head, **sizes):
    config = transformers.RobertaConfig(
        **THEIR_SIZES, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, **sizes
    )
    theirs = scale_up(theirs_type(config))
    cfg = TransformerConfig(**SIZES, token_types=1)
    return copied(lambda: head(Transformer(cfg, rngs=nnx.Rngs(0))), theirs, first_place=2), theirs


def test_bert_hidden_states_agree():
    ours, theirs = bert_pair()
    ids, real = inputs()
    types = (np.arange(33)[None] > np.array([[10], [5], [20]])).astype(np.int32)
    t_ids, t_real, t_types = tensors(ids, real, types)
    with torch.no_grad():
        reference = theirs(input_ids=t_ids, attention_mask=t_real, token_type_ids=t_types).last_hidden_state.numpy()
    given = {"attention_mask": jnp.array(real), "token_type_ids": jnp.array(types)}
    got = jitted(ours, lambda m: m(jnp.array(ids), **given).last_hidden_state)
    error = relative_error(np.asarray(got)[real == 1], reference[real == 1])
    print(f"BERT, 2 layers: error {error:.1e} of the spread")
    assert error < 1e-5  # seen 2e-6


def test_bert_gradients_agree():
    ours, theirs = bert_pair()
    ids, real = inputs()
    weights = np.random.default_rng(1).standard_normal((3, 33, 48)).astype(np.float32) * real[:, :, None]
    t_ids, t_real = tensors(ids, real)
    loss = (theirs(input_ids=t_ids, attention_mask=t_real).last_hidden_state * torch.tensor(weights)).sum()
    reference = their_gradients(theirs, loss)
    got = gradients(
        ours, lambda m: (m(jnp.array(ids), attention_mask=jnp.array(real)).last_hidden_state * weights).sum()
    )
    error = gradient_error(got, reference)
    print(f"BERT gradients, {len(got)} parameters: error {error:.1e}")
    assert error < 1e-4


def test_masked_lm_logits_and_gradients_agree_with_roberta():
    ours, theirs = roberta_pair(transformers.RobertaForMaskedLM, lambda e: MaskedLM(e, rngs=nnx.Rngs(1)))
    ids, real = inputs()
    labels = np.where(real == 1, ids[:, ::-1], -100)
    t_ids, t_real, t_labels = tensors(ids, real, labels)
    out = theirs(input_ids=t_ids, attention_mask=t_real, labels=t_labels)
    got = jitted(ours, lambda m: m(jnp.array(ids), attention_mask=jnp.array(real)).logits)
    error = relative_error(np.asarray(got)[real == 1], out.logits.detach().numpy()[real == 1])
    reference = their_gradients(theirs, out.loss, first_place=2)

    def loss(model):
        logits = model(jnp.array(ids), attention_mask=jnp.array(real)).logits
        picked = jnp.take_along_axis(nnx.log_softmax(logits), jnp.maximum(labels, 0)[:, :, None], -1)[..., 0]
        return -(picked * real).sum() / real.sum()

    grad_error = gradient_error(gradients(ours, loss), reference)
    print(f"RoBERTa masked LM: logits {error:.1e} of a spread of {out.logits.std():.1f}, gradients {grad_error:.1e}")
    assert error < 1e-5
    assert grad_error < 1e-4


def test_classifier_logits_agree_with_roberta():
    ours, theirs = roberta_pair(
        transformers.RobertaForSequenceClassification,
        lambda e: SequenceClassifier(e, classes=5, dropout_rate=0.0, rngs=nnx.Rngs(1)),
        num_labels=5,
    )
    ids, real = inputs()
    t_ids, t_real = tensors(ids, real)
    with torch.no_grad():
        reference = theirs(input_ids=t_ids, attention_mask=t_real).logits.numpy()
    got = jitted(ours, lambda m: m(jnp.array(ids), attention_mask=jnp.array(real)).logits)
    error = relative_error(got, reference)
    print(f"RoBERTa classifier: error {error:.1e} of the spread")
    assert error < 1e-5
