"""Tokens that are looked up and not written one by one: the same texts, in fewer steps of the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from table import QUICK

from decoding import Decoder, Settings, generate, stream
from decoding.lookup import proposed
from decoding.writer import Text
from errors import InputError
from models import Longformer, LongformerConfig, Transformer, TransformerConfig
from models.config import EncoderDecoderConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import CausalLM, Generator

SIZES = {"vocab_size": 23, "width": 32, "depth": 2, "heads": 4, "mlp_width": 48, "max_positions": 64}
NEW = 24
WAYS = {
    "ruled": {"repetition_penalty": 1.05, "min_new_tokens": 4, "eos_token_id": (2, 15, 21)},
    "drawn": {"do_sample": True, "temperature": 0.1, "num_return_sequences": 2},
}


class Counting:
    """A model whose steps are counted as they run."""

    def __init__(self, model, steps):
        self.start, self.prompts, self._model, self._steps = model.start, model.prompts, model, steps

    def step(self, tokens, cache, **how):
        jax.debug.callback(lambda: self._steps.append(tokens.shape[1]))
        return self._model.step(tokens, cache, **how)


def wide(model):
    """Weights ten times as wide as usual, so that texts depend on their prompts."""
    nnx.update(model, jax.tree.map(lambda leaf: leaf * 10 if leaf.ndim > 1 else leaf, nnx.state(model, nnx.Param)))
    return model


def causal(positions="learned", seed=0):
    cfg = TransformerConfig(**SIZES, causal=True, positions=positions)
    return wide(CausalLM(Transformer(cfg, rngs=nnx.Rngs(seed)), rngs=nnx.Rngs(seed)))


def generator(positions="relative"):
    read, wrote = (TransformerConfig(**SIZES, causal=each, positions=positions) for each in (False, True))
    net = EncoderDecoder(EncoderDecoderConfig(encoder=read, decoder=wrote), rngs=nnx.Rngs(0))
    return wide(Generator(net, rngs=nnx.Rngs(0)))


def written(model, settings, rows):
    ids = jax.random.randint(jax.random.key(3), (rows, 6), 10, 23)
    mask, steps = jnp.ones((rows, 6), jnp.int32).at[-1, :2].set(0), []
    graph, state = nnx.split(model)
    key = {"key": jax.random.key(1)} if settings.do_sample else {}

    def write(state):
        counting = Counting(nnx.merge(graph, state), steps)
        return generate(counting, ids, settings, attention_mask=mask, **key)

    found = jax.block_until_ready(jax.jit(write, compiler_options=QUICK)(state))
    jax.effects_barrier()
    return found, steps


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [causal, generator])
def test_texts_are_those_of_single_steps(make, way):
    start = {"decoder_start_token_id": 1} if make is generator else {}
    how = {"max_new_tokens": NEW} | start | WAYS[way]
    want, singly = written(make(), Settings(**how), rows=3)
    got, steps = written(make(), Settings(**how, prompt_lookup_num_tokens=4), rows=3)
    np.testing.assert_array_equal(got.tokens, want.tokens)
    np.testing.assert_array_equal(got.lengths, want.lengths)
    error = float(jnp.abs(got.scores / want.scores - 1).max())
    print(f"{make.__name__}, {way}: {len(singly)} steps, {len(steps)} with lookup; scores {error:.1e} apart")
    assert len(set(want.lengths.ravel().tolist())) > 1 or way == "drawn"  # some have ended, and the others go on
    assert error < 2e-5  # seen 3e-7
    assert set(steps[1:]) == {5}
    assert len(steps) < len(singly)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_a_text_that_repeats_itself_takes_few_steps(positions):
    """These nets soon write in a circle."""
    want, singly = written(causal(positions), Settings(max_new_tokens=48), rows=1)
    got, steps = written(causal(positions), Settings(max_new_tokens=48, prompt_lookup_num_tokens=5), rows=1)
    print(f"{positions}: {len(singly)} steps, {len(steps)} with lookup")
    np.testing.assert_array_equal(got.tokens, want.tokens)
    assert len(singly) == 48
    assert len(steps) < 24  # seen 18 and 10


def text(*rows, at, room=3):
    tokens = jnp.pad(jnp.asarray(rows), ((0, 0), (0, room)))
    return Text(tokens, jnp.arange(tokens.shape[1])[None].repeat(len(rows), 0) < at, jnp.asarray(at))


@pytest.mark.parametrize(
    ("tokens", "wanted"),
    [
        ([1, 2, 3, 4, 5, 1, 2], [3, 4, 5]),
        ([1, 2, 3, 1, 2, 4, 1, 2], [4, 1, 2]),  # the latest time
        ([7, 2, 3, 1, 2, 4, 7, 2], [3, 1, 2]),  # the last two before the last one alone
        ([7, 2, 3, 4, 5, 6, 8, 2], [3, 4, 5]),  # the last alone
        ([4, 1, 2, 1, 2, 1, 2], [1, 2, 1]),  # in a circle
        ([4, 9, 9, 9], [9, 9, 9]),
    ],
)
def test_what_followed_before_is_proposed(tokens, wanted):
    assert proposed(text(tokens, at=len(tokens)), None, 3).tolist() == [wanted]


def test_what_was_read_is_looked_through_too():
    assert proposed(text([1, 11, 12], at=3), jnp.asarray([[10, 11, 12, 13, 14, 15]]), 3).tolist() == [[13, 14, 15]]


def test_padding_before_a_prompt_proposes_nothing():
    tokens, places = jnp.asarray([[5, 6, 7, 6, 8, 5, 6, 0, 0]]), jnp.arange(9)[None]
    for first, wanted in ((0, [7, 6]), (3, [8, 5])):
        real = (places >= first) & (places < 7)
        assert proposed(Text(tokens, real, jnp.asarray(7)), None, 2).tolist() == [wanted]


def test_a_stream_is_the_whole_text_whatever_its_pieces():
    ids = np.full((1, 4), 11)
    whole = Decoder(causal(), Settings(max_new_tokens=NEW))(ids).tokens[0, 0].tolist()
    decoder = Decoder(causal(), Settings(max_new_tokens=NEW, prompt_lookup_num_tokens=4))
    pieces = list(stream(decoder, ids, lambda tokens: "".join(chr(97 + each) for each in tokens), chunk=5))
    assert [ord(letter) - 97 for letter in "".join(pieces)] == whole


def test_what_cannot_take_tokens_back_is_told():
    cfg = LongformerConfig(**SIZES, causal=True, windows=(3,))
    model = CausalLM(Longformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0))
    settings = Settings(max_new_tokens=4, prompt_lookup_num_tokens=2)
    with pytest.raises(InputError, match="a net that keeps a window takes no token back"):
        Decoder(model, settings)(np.full((1, 4), 11))


def test_proposals_need_places():
    with pytest.raises(InputError, match="a text to write of 65 tokens is longer than the 64 places"):
        Decoder(causal(), Settings(max_new_tokens=58, prompt_lookup_num_tokens=3))(np.full((1, 4), 11))
