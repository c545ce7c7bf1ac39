"""A BART made into an LED answers as before where everything is in one window, and reads on where it could not."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import pretrained
from errors import InputError
from models.config import EncoderDecoderConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import Generator
from pretrained.lengthen import main
from pretrained.longer import bart_to_led

SIZES = {"vocab_size": 40, "width": 12, "depth": 2, "heads": 2, "mlp_width": 16, "max_positions": 22}
SIZES |= {"padding_place": 1, "counted_places": False}


def bart(**more):
    cfg = TransformerConfig(**SIZES | more)
    halves = EncoderDecoderConfig(encoder=cfg, decoder=TransformerConfig(**SIZES | more, causal=True))
    model = Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), biased=True, rngs=nnx.Rngs(1))
    graph, state = nnx.split(model)
    keys = iter(jax.random.split(jax.random.key(2), len(jax.tree.leaves(state))))
    return nnx.merge(graph, jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), state))


def given(length, written=6):
    real = np.ones((3, length), np.int32)
    real[1, length // 2 :], real[2, :3] = 0, 0
    draw = np.random.default_rng(0)
    inputs = {"input_ids": draw.integers(2, 40, real.shape), "attention_mask": real}
    inputs["decoder_input_ids"] = draw.integers(2, 40, (3, written))
    return {name: jnp.asarray(value) for name, value in inputs.items()}


@pytest.mark.parametrize("global_tokens", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_text_within_one_window_is_answered_as_before(global_tokens):
    before, inputs = bart(), given(20)
    longer = bart_to_led(before, windows=(20,), max_positions=64)
    chosen = {"global_attention_mask": jnp.zeros((3, 20), jnp.int32).at[:, 4].set(1)} if global_tokens else {}
    want, got = before(**inputs).logits, longer(**inputs, **chosen).logits
    error = float(jnp.abs(got - want).max() / want.std())
    print(f"{error:.1e}")
    assert error < 1e-5  # seen 1e-6
    assert not np.allclose(bart_to_led(before, windows=(2,), max_positions=64)(**inputs).logits, want, atol=0.01)


def test_a_longer_text_is_read_and_what_is_written_may_be_as_long_as_before():
    longer = bart_to_led(bart(), windows=(4,), max_positions=64)
    assert jnp.isfinite(longer(**given(64, written=20)).logits).all()
    with pytest.raises(InputError, match="65 tokens is longer than the 64 places"):
        longer(**given(65))
    with pytest.raises(InputError, match="21 tokens is longer than the 20 places"):
        longer(**given(20, written=21))


def test_the_command_writes_an_led_with_the_same_special_tokens(tmp_path, monkeypatch):
    pretrained.save(bart(), tmp_path / "short")
    path = tmp_path / "short" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoder_start_token_id": 7}))
    monkeypatch.setattr("sys.argv", ["lengthen", *map(str, (tmp_path / "short", tmp_path / "long")), "--window=4"])
    main()
    config = json.loads((tmp_path / "long" / "config.json").read_text())
    assert (config["model_type"], config["decoder_start_token_id"]) == ("led", 7)
    again, longer = pretrained.load(tmp_path / "long"), bart_to_led(bart(), windows=(4,), max_positions=4096)
    assert (again(**given(40)).logits == longer(**given(40)).logits).all()


def test_what_is_no_bart_is_refused():
    with pytest.raises(InputError, match="less than the 20 places"):
        bart_to_led(bart(), windows=(4,), max_positions=19)
    with pytest.raises(InputError, match="only an encoder with full attention"):
        bart_to_led(bart_to_led(bart(), windows=(4,), max_positions=64), windows=(4,), max_positions=80)
