"""The formulas of models/cost.py against the nets themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params
from nets import config, marked, small

from models import MODELS, MaskedLM, SequenceClassifier, cost
from ops.masks import window_mask
from skeleton import Skeleton


def every_jaxpr(jaxpr, times=1):
    """Each (equation, times it runs) of a jaxpr and of those inside it."""
    for equation in jaxpr.eqns:
        yield equation, times
        inner = times * equation.params.get("length", 1) if equation.primitive.name == "scan" else times
        for child in jaxprs_in_params(equation.params):
            yield from every_jaxpr(child, inner)


def product_flops(call):
    """2 m k n of every matrix product that `call()` would run."""
    total = 0
    for equation, times in every_jaxpr(jax.make_jaxpr(call)().jaxpr):
        assert equation.primitive.name != "while", "a loop of unknown length cannot be counted"
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shared = np.prod([equation.invars[0].aval.shape[axis] for axis in contracted])
            total += times * 2 * int(shared) * equation.outvars[0].aval.size
    return total


def classifier(encoder):
    return SequenceClassifier(encoder, classes=5, dropout_rate=0.0, rngs=nnx.Rngs(0))


def abstract(name, head=lambda encoder: encoder, **changes):
    cfg = config(name, **changes)
    return Skeleton(lambda rngs: head(MODELS[name][1](cfg, rngs=rngs)))


def masked_lm(encoder):
    return MaskedLM(encoder, rngs=nnx.Rngs(0))


def test_bert_base_and_roberta_base_have_their_published_sizes():
    sizes = {"width": 768, "depth": 12, "heads": 12, "mlp_width": 3072}
    bert = abstract("transformer", **sizes, vocab_size=30522, max_positions=512, token_types=2)
    assert bert.parameter_count == 108_891_648  # BertModel without its pooler
    roberta = abstract("transformer", masked_lm, **sizes, vocab_size=50265, max_positions=512)
    assert 124e6 < roberta.parameter_count < 125e6  # Liu et al. 2019 say 125M


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
def test_transformer_flops_are_those_of_its_products(activation):
    cfg = config("transformer", activation=activation)
    model = small("transformer", masked_lm, activation=activation)
    ids, places = jnp.zeros((1, 40), jnp.int32), jnp.zeros((1, 6), jnp.int32)
    assert product_flops(lambda: model.encoder(ids)) == cost.encoder_flops(cfg, 40)
    assert product_flops(lambda: model(ids, predict_positions=places)) == cost.masked_lm_flops(cfg, 40, 6)


def test_transformer_flops_are_near_the_compilers_count_and_training_costs_three_passes():
    cfg = config("transformer", width=128, mlp_width=512, positions="rotary", norm="pre")
    model = small("transformer", width=128, mlp_width=512, positions="rotary", norm="pre")
    ids = jnp.zeros((1, 64), jnp.int32)
    graph, params = nnx.split(model)

    def loss(params):
        return nnx.merge(graph, params)(ids).last_hidden_state.sum()

    forward, training = (
        jax.jit(f).lower(params).compile().cost_analysis()["flops"] for f in (loss, jax.value_and_grad(loss))
    )
    counted = cost.encoder_flops(cfg, 64)
    print(f"compiler over formula: forward {forward / counted:.3f}, training {training / counted / cost.TRAINING:.3f}")
    assert 1.0 < forward / counted < 1.1  # the rest is elementwise
    assert 0.95 < training / (cost.TRAINING * counted) < 1.1


@pytest.mark.parametrize("changes", [{}, {"max_global_tokens": 8}, {"positions": "rotary"}])
def test_longformer_flops_are_those_of_its_products_where_one_block_holds_the_row(changes):
    cfg, model = config("longformer", windows=(60,), **changes), small("longformer", windows=(60,), **changes)
    ids, globals_ = jnp.zeros((1, 40), jnp.int32), marked(1, 40, 3)
    assert product_flops(lambda: model(ids)) == cost.encoder_flops(cfg, 40)
    computed = product_flops(lambda: model(ids, global_attention_mask=globals_))
    assert computed == cost.encoder_flops(cfg, 40, global_tokens=cfg.max_global_tokens)


def test_band_pairs_are_counted_exactly():
    for length in (1, 2, 7, 12):
        at = np.arange(length)
        for window in (1, 3, 11, 30):
            assert cost.band_pairs(length, window) == (np.abs(at[:, None] - at[None]) <= window).sum()


@pytest.mark.parametrize("causal", [False, True])
def test_dilated_and_causal_windows_of_each_head_are_counted_exactly(causal):
    windows = {"windows": ((1, 2, 3, 40),), "dilations": ((3, 1, 2, 5),), "causal": causal}
    cfg = config("longformer", depth=1, **windows)
    seen = int(window_mask(23, window=cfg.window(0), heads=4).sum())
    rest = cost.encoder_flops(config("longformer", depth=1, windows=(1,)), 23) - 4 * 32 * cost.band_pairs(23, 1)
    assert cost.encoder_flops(cfg, 23) - rest == 4 * 8 * seen


TINY = {"width": 8, "heads": 2, "mlp_width": 16, "max_positions": 8192}


def gradient(model, length, **inputs):
    """A function without arguments that computes the gradient of every parameter, dropout on."""
    graph, params = nnx.split(model)
    ids = jnp.zeros((1, length), jnp.int32)

    def loss(params):
        return jnp.square(nnx.merge(graph, params)(ids, rngs=nnx.Rngs(dropout=0), **inputs).last_hidden_state).sum()

    return lambda: jax.grad(loss)(params)


@pytest.mark.parametrize(("name", "inputs"), [("transformer", {}), ("longformer", {"global_attention_mask": 0})])
def test_no_array_of_the_square_of_the_length_appears_forward_or_backward(name, inputs):
    model = small(name, **TINY, **({"windows": (16,)} if inputs else {}))
    for length in (2048, 8192):
        given = {key: marked(1, length, place) for key, place in inputs.items()}
        equations = every_jaxpr(jax.make_jaxpr(gradient(model, length, **given))().jaxpr)
        largest = max(out.aval.size for equation, _ in equations for out in equation.outvars)
        assert largest < length**2 / 7  # 128 queries of both heads, or the position table


def test_longformer_flops_grow_with_the_length_and_not_its_square():
    model = small("longformer", **TINY, windows=(16,))
    many, few = (gradient(model, length, global_attention_mask=marked(1, length, 0)) for length in (8192, 2048))
    assert product_flops(many) < 4.1 * product_flops(few)
    forward = product_flops(lambda: model(jnp.zeros((1, 8192), jnp.int32)))
    assert forward < 5 * cost.encoder_flops(model.cfg, 8192)  # blocks of 128 queries at a window of 16
