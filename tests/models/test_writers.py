"""Nets that write: step by step as at once, and never past the room they were given."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import QUICK, SIZES, config, drawn, jitted, small, token_ids

from errors import InputError
from models import key_values
from models.alternating import Alternating
from models.config import AlternatingConfig, EncoderDecoderConfig, LongformerConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import CausalLM, Generator

STEPS = (4, 1, 2, 1)
LONG = (1, 1_000, 64_000)
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


def test_what_is_written_sees_no_padding_that_segments_tell():
    model, ids, written = generator(), token_ids(2, 6), token_ids(2, 4, seed=1)
    segments = jnp.array([[1, 1, 1, 1, 0, 0]] * 2)

    def logits(ids):
        return model(ids, segment_ids=segments, decoder_input_ids=written).logits

    other = ids.at[:, 4:].set((ids[:, 4:] + 1) % SIZES["vocab_size"])
    assert error(logits(other), logits(ids)) < 1e-6
    assert error(logits(ids.at[:, 3].set((ids[:, 3] + 1) % SIZES["vocab_size"])), logits(ids)) > 1e-3
    starts = [model.start(each, segment_ids=segments, capacity=4) for each in (ids, other)]
    one, two = (model.step(written, cache)[0] for cache in starts)
    assert error(two, one) < 1e-6


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


@pytest.mark.parametrize("norm", [pytest.param("post", marks=pytest.mark.slow), "pre"])
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


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("make", [causal, generator])
def test_other_machines_than_processors_keep_rows_and_heads_apart(make, scan, monkeypatch):
    """And write the same; also after rows were copied and put in another order, as beams are."""
    model, tokens, places = make(scan=scan), token_ids(2, 6), jnp.asarray([[1, 1], [0, 1]])
    start = model.start if make is causal else lambda _, capacity: model.start(token_ids(2, 7), capacity=capacity)

    def written():
        first, cache = model.step(tokens[:, :4], start(2, 6))
        cache = cache.widened(2)
        second, cache = model.step(jnp.repeat(tokens[:, 4:5], 2, 0).at[1::2].add(1), cache)
        third, cache = model.step(jnp.repeat(tokens[:, 5:], 2, 0), cache.rearranged(places))
        kept = next(iter(cache.layers.values())) if isinstance(cache.layers, dict) else cache.layers[0]
        return jnp.concatenate([jnp.repeat(first[:, -1:], 2, 0), second, third], 1), getattr(kept, "own", kept).k.shape

    joined, shape = written()
    monkeypatch.setattr(key_values.jax, "default_backend", lambda: "tpu")
    apart, parts = written()
    print(f"{shape} {parts} {error(joined, apart):.1e}")
    assert len(parts) == len(shape) + 1
    assert error(joined, apart) < 1e-5  # seen 1e-6
    assert error(joined[0, 2], joined[1, 2]) < 1e-6  # both are after row 1 of the two
    assert error(joined[2, 2], joined[3, 2]) > 0.01


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


def windowed(**changes):
    changes = {"windows": ((2, 5, 3, 1), 4), "dilations": ((3, 1, 2, 1), 1), "depth": 2, "norm": "pre"} | changes
    return small("longformer", lambda encoder: CausalLM(encoder, rngs=nnx.Rngs(0)), causal=True, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"scan": True, "windows": (4,), "dilations": (1,)}, pytest.param({"norm": "post"}, marks=pytest.mark.slow)],
    ids=str,
)
@pytest.mark.parametrize("positions", POSITIONS[:3])
def test_a_causal_longformer_writes_step_by_step_as_at_once(positions, changes):
    model, tokens = windowed(positions=positions, **changes), token_ids(2, 60)
    mask = jnp.ones((2, 60), jnp.int32).at[1, :7].set(0)  # before the shorter prompt
    places = jnp.maximum(jnp.cumsum(mask, 1) - 1, 0)
    want = jitted(model, lambda model: model(tokens, attention_mask=mask, position_ids=places).logits)
    step, cache, found, first = stepper(model), model.start(2, 60), [], 0
    for count in (19, *(1,) * 20, 5, 16):
        at = slice(first, first + count)
        logits, cache = step(tokens[:, at], cache, mask[:, at])
        found.append(logits)
        first += count
    got = jnp.concatenate(found, 1)
    print(f"{positions}: {error(got[0], want[0]):.1e}, padded {error(got[1, 7:], want[1, 7:]):.1e}")
    assert error(got[0], want[0]) < 1e-5  # seen 2e-6
    assert error(got[1, 7:], want[1, 7:]) < 1e-5


def stepper(model):
    graph, state = nnx.split(model)
    step = jax.jit(
        lambda state, tokens, cache, mask: nnx.merge(graph, state).step(tokens, cache, attention_mask=mask),
        compiler_options=QUICK,
    )
    return lambda tokens, cache, mask=None: step(state, tokens, cache, mask)


def test_a_long_prompt_is_taken_in_by_parts():
    model, tokens = windowed(positions="rotary"), token_ids(2, 1101)
    mask = jnp.ones((2, 1101), jnp.int32).at[1, :600].set(0)
    places = jnp.maximum(jnp.cumsum(mask, 1) - 1, 0)
    want = jitted(model, lambda model: model(tokens, attention_mask=mask, position_ids=places).logits)
    got, cache = stepper(model)(tokens[:, :1100], model.start(2, 1200), mask[:, :1100])
    more, _ = stepper(model)(tokens[:, 1100:], cache)
    got = jnp.concatenate([got, more], 1)
    print(f"{error(got[0], want[0]):.1e} {error(got[1, 600:], want[1, 600:]):.1e}")
    assert error(got[0], want[0]) < 1e-5  # seen 3e-6
    assert error(got[1, 600:], want[1, 600:]) < 1e-5


def test_a_longformers_cache_is_of_one_size_whatever_is_written():
    sizes = {
        jax.tree.reduce(lambda n, leaf: n + leaf.nbytes, windowed(positions="rotary").start(2, n), 0) for n in LONG
    }
    assert len(sizes) == 1


def test_sinusoids_reach_past_the_places_of_a_table():
    model, tokens = causal(positions="sinusoidal"), token_ids(1, 90)
    assert model.encoder.cfg.max_positions < 90
    got, _ = stepper(model)(tokens, model.start(1, 90))
    assert error(got, jitted(model, lambda model: model(tokens).logits)) < 1e-5


def test_what_cannot_write_is_refused():
    with pytest.raises(InputError, match="a language model that writes is causal"):
        CausalLM(small("transformer"), rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match="a text to write of 65 tokens is longer than the 64 places"):
        causal().start(1, 65)
    with pytest.raises(InputError, match="only a causal net is decoded"):
        small("transformer").empty_cache(1, 8)
    with pytest.raises(InputError, match="only a causal net is decoded"):
        small("longformer").empty_cache(1, 8)
    with pytest.raises(InputError, match="a text to write of 65 tokens is longer than the 64 places"):
        windowed().start(1, 65)
    with pytest.raises(InputError, match="a text to write of 65 tokens"):
        generator().start(token_ids(1, 4), capacity=65)
    with pytest.raises(InputError, match="a decoder is causal"):
        EncoderDecoderConfig(encoder=config("transformer"), decoder=config("transformer"))
    with pytest.raises(InputError, match="the same vocab_size and width"):
        EncoderDecoderConfig(encoder=config("transformer", width=36), decoder=config("transformer", causal=True))
    with pytest.raises(InputError, match="an alternating net has no decoder: choose transformer or longformer"):
        EncoderDecoderConfig(encoder=config("alternating"), decoder=config("transformer", causal=True))


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "options",
    [
        {},
        *(pytest.param(each, marks=pytest.mark.slow) for each in ({"tied": False}, {"scaled": True}, {"biased": True})),
    ],
    ids=str,
)
def test_the_factors_of_what_is_written_multiply_out_to_its_logits(options):
    cfg = TransformerConfig(**SIZES)
    halves = EncoderDecoderConfig(encoder=cfg, decoder=dataclasses.replace(cfg, causal=True))
    model = drawn(lambda: Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), **options, rngs=nnx.Rngs(0)))
    given = {"input_ids": token_ids(2, 7), "decoder_input_ids": token_ids(2, 5, seed=1)}
    x, table, bias = model.factors(**given)
    want = model(**given).logits
    found = error(x @ table.T + bias[None, None], want)
    print(f"{found:.1e}")
    assert found < 1e-5  # seen 4e-7


def test_a_net_without_a_step_says_so():
    sizes = {**SIZES, "windows": (2,), "causal": True, "positions": "rotary"}
    net = Alternating(AlternatingConfig(**sizes), rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match="Alternating has no step to write by: choose transformer or longformer"):
        CausalLM(net, rngs=nnx.Rngs(0)).start(1, 8)
