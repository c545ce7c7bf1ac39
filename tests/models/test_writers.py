"""Nets that write: step by step as at once, and never past the room they were given."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import SIZES, config, drawn, small, token_ids

from errors import InputError
from models.config import EncoderDecoderConfig, LongformerConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import CausalLM, Generator

STEPS = (4, 1, 2, 1)
POSITIONS = ["learned", "sinusoidal", "rotary", "relative"]


def causal(**changes):
    return small("transformer", lambda encoder: CausalLM(encoder, rngs=nnx.Rngs(0)), causal=True, depth=2, **changes)


def generator(read=TransformerConfig, scan=False, **changes):
    cfg = TransformerConfig(**SIZES | {"depth": 2, "scan": scan} | changes)
    halves = EncoderDecoderConfig(
        encoder=read(**dataclasses.asdict(cfg), **({"windows": (3,)} if read is LongformerConfig else {})),
        decoder=dataclasses.replace(cfg, causal=True, depth=3),
    )
    return drawn(lambda: Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), biased=True, rngs=nnx.Rngs(0)))


def stepped(model, tokens, cache):
    """Logits of all tokens, a few at a time."""
    found, first = [], 0
    for count in STEPS:
        logits, cache = model.step(tokens[:, first : first + count], cache)
        found.append(logits)
        first += count
    return jnp.concatenate(found, 1)


def error(got, want):
    return float(jnp.abs(got - want).max() / want.std())


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_a_causal_net_writes_step_by_step_as_at_once(positions, norm):
    model, tokens = causal(positions=positions, norm=norm), token_ids(2, sum(STEPS))
    got, want = stepped(model, tokens, model.start(2, 10)), model(tokens).logits
    print(f"{positions}: {error(got, want):.1e}")
    assert error(got, want) < 1e-5  # seen 1e-6


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("read", [TransformerConfig, LongformerConfig])
def test_an_encoder_decoder_writes_step_by_step_as_at_once(read, scan):
    model, tokens, ids = generator(read, scan), token_ids(2, sum(STEPS)), token_ids(2, 11, seed=1)
    real = jnp.ones((2, 11), jnp.int32).at[1, 6:].set(0)
    got = stepped(model, tokens, model.start(ids, attention_mask=real, capacity=10))
    want = model(ids, attention_mask=real, decoder_input_ids=tokens).logits
    print(f"{error(got, want):.1e}")
    assert error(got, want) < 1e-5  # seen 1e-6
    other = model(ids.at[1, 8].set(0), attention_mask=real, decoder_input_ids=tokens).logits
    assert error(other, want) < 1e-6  # padding that was read says nothing


def test_padding_before_a_prompt_changes_nothing():
    model, tokens = causal(), token_ids(2, 6)
    want = model(tokens[1:, 2:]).logits[0]
    mask = jnp.ones((2, 6), jnp.int32).at[1, :2].set(0)
    got, _ = model.step(tokens, model.start(2, 8), attention_mask=mask)
    assert error(got[1, 2:], want) < 1e-5


def test_tokens_that_do_not_fit_give_nan_and_not_a_wrong_text():
    model, tokens = causal(), token_ids(2, 6)
    logits, cache = jax.jit(model.step)(tokens, model.start(2, 7))
    assert jnp.isfinite(logits).all()
    logits, _ = jax.jit(model.step)(tokens[:, :2], cache)
    assert jnp.isnan(logits).all()


def test_what_cannot_write_is_refused():
    with pytest.raises(InputError, match="a language model that writes is causal"):
        CausalLM(small("transformer"), rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match="a text to write of 65 tokens is longer than the 64 places"):
        causal().start(1, 65)
    with pytest.raises(InputError, match="only a causal net is decoded"):
        small("transformer").empty_cache(1, 8)
    with pytest.raises(InputError, match="a text to write of 65 tokens"):
        generator().start(token_ids(1, 4), capacity=65)
    with pytest.raises(InputError, match="a decoder is causal"):
        EncoderDecoderConfig(encoder=config("transformer"), decoder=config("transformer"))
    with pytest.raises(InputError, match="the same vocab_size and width"):
        EncoderDecoderConfig(encoder=config("transformer", width=36), decoder=config("transformer", causal=True))


def test_both_halves_learn_from_what_is_written():
    model, tokens, ids = generator(), token_ids(2, 5), token_ids(2, 7, seed=1)
    graph, params = nnx.split(model)
    grads = jax.grad(lambda params: nnx.merge(graph, params)(ids, decoder_input_ids=tokens).logits.std())(params)
    for path, leaf in nnx.to_flat_state(grads):
        if path[-2:] != ("key", "bias"):  # which moves all scores of a query alike
            assert jnp.abs(leaf[...]).max() > 0, path


def test_layers_that_share_their_weights_are_one_layer_called_again():
    shared, single = (small("transformer", depth=3, layer_order=order) for order in ((0, 1, 0), ()))
    assert len(shared.layers) == 2
    ids = token_ids(2, 9)
    for ours, other in ((0, 0), (1, 1), (0, 2)):
        single.layers[other] = shared.layers[ours]
    single.embeddings = shared.embeddings
    np.testing.assert_allclose(shared(ids).last_hidden_state, single(ids).last_hidden_state, atol=1e-6)
