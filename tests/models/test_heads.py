import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, marked, small, token_ids

from errors import InputError
from models import HEADS, MODELS, MaskedLM, SequenceClassifier
from models.heads import pooled


def masked_lm(encoder):
    return MaskedLM(encoder, rngs=nnx.Rngs(1))


def classifier(encoder):
    return SequenceClassifier(encoder, classes=3, dropout_rate=0.5, rngs=nnx.Rngs(1))


def test_logits_at_asked_places_are_those_of_all_places():
    model, ids = small("transformer", masked_lm), token_ids(2, 14)
    places = jnp.array([[1, 5, 5], [13, 0, 2]])
    everywhere, asked = jitted(model, lambda m: (m(ids), m(ids, predict_positions=places)))
    assert asked.logits.shape == (2, 3, 61)
    assert everywhere.logits.shape == (2, 14, 61)
    expected = jnp.take_along_axis(everywhere.logits, places[:, :, None], 1)
    assert jnp.abs(asked.logits - expected).max() < 1e-4
    assert jnp.array_equal(asked.last_hidden_state, everywhere.last_hidden_state)


def test_the_token_table_is_one_parameter_with_gradients_from_both_ends():
    model, ids = small("transformer", masked_lm), jnp.zeros((1, 8), jnp.int32)
    assert not [path for path, _ in nnx.to_flat_state(nnx.state(model.head)) if "embedding" in path]
    grads = gradients(model, lambda m: jnp.square(m(ids).logits).sum())
    table = np.abs(grads["encoder.embeddings.word.embedding"]).max(-1)
    assert (table > 0).all()  # row 0 as input, every row as output


@pytest.mark.parametrize("head", [masked_lm, classifier])
def test_logits_are_float32_also_in_bfloat16_nets(head):
    model, ids = small("longformer", head, dtype="bfloat16"), token_ids(2, 12)
    out = jitted(model, lambda m: m(ids, global_attention_mask=marked(2, 12, 0)))
    assert out.logits.dtype == jnp.float32
    assert out.last_hidden_state.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model))} == {jnp.dtype("float32")}


def test_a_classifier_reads_the_first_token_and_hands_the_rest_to_its_encoder():
    model, ids = small("transformer", classifier), token_ids(2, 9)
    assert jitted(model, lambda m: m(ids)).logits.shape == (2, 3)
    only_first = jnp.arange(1, 10)[None] * jnp.ones((2, 1), jnp.int32)  # each token a document of its own
    cut, whole = jitted(model, lambda m: (m(ids, segment_ids=only_first).logits, m(ids[:, :1]).logits))
    assert jnp.abs(cut - whole).max() < 1e-4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_long_rows_are_pooled_at_their_own_places_whatever_the_dtype(dtype):
    """The places are those that bfloat16 cannot tell apart, and 515 is a count that it rounds to 516."""
    real = jnp.arange(600)[None] < jnp.array([259, 515, 1, 600])[:, None]
    x = jnp.where(real[:, :, None], jnp.arange(600.0)[None, :, None] / 8 % 1, 99.0).astype(dtype)  # [4 600 1]
    mask = real.astype(jnp.int32)
    assert pooled(x, mask, "last").tolist() == [[258 / 8 % 1], [514 / 8 % 1], [0.0], [599 / 8 % 1]]
    assert pooled(x, None, "last").tolist() == x[:, -1].tolist()
    means = [np.mean(np.arange(length) / 8 % 1) for length in (259, 515, 1, 600)]
    assert pooled(x, mask, "mean").tolist() == jnp.array(means).astype(dtype)[:, None].tolist()


def test_a_classifier_drops_out_by_its_key():
    model, ids = small("transformer", classifier, dropout_rate=0.0, attention_dropout_rate=0.0), token_ids(2, 9)
    seeds = (1, 1, 2)
    first, again, other = jitted(model, lambda m: [m(ids, rngs=nnx.Rngs(dropout=seed)).logits for seed in seeds])
    assert jnp.array_equal(first, again)
    assert jnp.abs(first - other).max() > 1e-2


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("head", HEADS)
def test_a_model_holds_parameters_only_each_once(name, head):
    model = small(name, masked_lm if head == "masked_lm" else classifier)
    _, params, rest = nnx.split(model, nnx.Param, ...)
    assert not jax.tree.leaves(rest)
    variables = [variable for _, variable in nnx.iter_graph(model) if isinstance(variable, nnx.Variable)]
    assert len({id(variable) for variable in variables}) == len(variables) == len(jax.tree.leaves(params))


def test_no_classes_are_refused():
    with pytest.raises(InputError, match="classes must be at least 1, got 0"):
        SequenceClassifier(small("transformer"), classes=0, dropout_rate=0.0, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_logits_are_the_product_of_the_factors(dtype):
    model, ids = small("transformer", masked_lm, dtype=dtype), token_ids(2, 14)
    places = jnp.array([[1, 5, 5], [13, 0, 2]])

    def both(m):
        x, table, bias = m.factors(ids, predict_positions=places)
        product = jnp.einsum("BPD,VD->BPV", x, table.astype(x.dtype), preferred_element_type=jnp.float32)
        return m(ids, predict_positions=places).logits, product + bias[None, None]

    logits, product = jitted(model, both)
    error = float(jnp.abs(logits - product).max() / jnp.abs(product).max())
    print(f"{dtype}: {error:.1e}")
    assert error < 1e-6  # seen 1e-7: a list of rows may be added up in another order
