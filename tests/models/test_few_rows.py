"""A net laid out for few rows: the same map, the weights it came from left as they were."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import SIZES, drawn, token_ids

from models import few_rows
from models.config import EncoderDecoderConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.few_rows import TurnedLinear, laid_out
from models.transformer import Transformer
from models.writers import CausalLM, Generator


def causal(**changes):
    cfg = TransformerConfig(**SIZES | {"depth": 2, "causal": True} | changes)
    return drawn(lambda: CausalLM(Transformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0)))


def generator(tied=False, **changes):
    read = TransformerConfig(**SIZES | {"depth": 2} | changes)
    halves = EncoderDecoderConfig(encoder=read, decoder=dataclasses.replace(read, causal=True))
    return drawn(lambda: Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), tied=tied, rngs=nnx.Rngs(0)))


def tied(**changes):
    return generator(tied=True, **changes)


def turned(net):
    return {".".join(map(str, path)) for path, part in nnx.iter_modules(net) if isinstance(part, TurnedLinear)}


def logits(model, tokens):
    rows = tokens.shape[0]
    cache = model.start(token_ids(rows, 5), capacity=9) if isinstance(model, Generator) else model.start(rows, 9)
    first, cache = model.step(tokens[:, :7], cache)
    return jnp.concatenate([first, model.step(tokens[:, 7:], cache)[0]], 1)


@pytest.mark.parametrize("many", [few_rows.MANY, 10], ids=["few-rows", "a-prompt-of-many"])
@pytest.mark.parametrize("make", [causal, generator, tied])
@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, 1e-5),
        ({"scan": True}, 1e-5),
        ({"biases": False}, 1e-5),
        pytest.param({"dtype": "bfloat16"}, 0.05, marks=pytest.mark.slow),
    ],
    ids=["written-out", "scanned", "no-biases", "bfloat16"],
)
def test_a_net_laid_out_writes_as_it_did(make, changes, most, many, monkeypatch):
    monkeypatch.setattr(few_rows, "MANY", many)
    model = make(**changes)
    before = jax.tree.map(jnp.copy, nnx.state(model))
    other = model.for_steps()
    for rows in (2, 1):
        tokens = token_ids(rows, 8)
        want, got = logits(model, tokens), logits(other, tokens)
        error = float(jnp.abs(got - want).max() / want.std())
        print(f"{make.__name__} {changes} {rows}: {error:.1e}")
        assert got.dtype == want.dtype
        assert error < most  # seen 1e-6, and 0.02 in bfloat16
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(model))
    for each, same in zip(model.last_map(), other.last_map(), strict=True):
        np.testing.assert_allclose(each, same, rtol=0, atol=0.01 if "dtype" in changes else 0)


def test_what_reads_whole_texts_stays_as_it_is():
    model = generator()
    found = turned(model.for_steps())
    assert "output" in found
    assert sum(name.startswith("net.decoder.") for name in found) == len(found) - 1 == 2 * (2 * 4 + 2)
    assert not turned(model)


def test_what_is_laid_out_stays_so():
    once = causal().for_steps()
    assert turned(once.for_steps()) == turned(once) != set()


def test_other_machines_than_processors_read_matrices_as_they_lie(monkeypatch):
    monkeypatch.setattr(few_rows.jax, "default_backend", lambda: "gpu")
    model = causal()
    assert laid_out(model) is model
