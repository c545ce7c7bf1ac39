"""What holds for every way of writing: padding, other rows and the number of calls change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from table import QUICK, Table

from decoding import Decoder, Settings, generate
from decoding.generate import begun
from decoding.plain import advance
from errors import InputError
from models import Longformer, LongformerConfig, Transformer, TransformerConfig
from models.writers import CausalLM

SIZES = {"vocab_size": 61, "width": 32, "depth": 2, "heads": 4, "mlp_width": 48, "max_positions": 64, "causal": True}
NETS = {
    "transformer": (TransformerConfig, Transformer, {}),
    "longformer": (LongformerConfig, Longformer, {"windows": (3,)}),
}
WAYS = {
    "greedy": {"no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
    "drawn": {"do_sample": True, "temperature": 2.0, "top_p": 0.9},
    "searched": {"num_beams": 3, "num_return_sequences": 2, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
}


def writer(name):
    """Weights ten times as wide as usual, so that texts depend on their prompts."""
    cfg, net, more = NETS[name]
    model = CausalLM(net(cfg(**SIZES, **more, scan=True), rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    wide = jax.tree.map(lambda leaf: leaf * 10 if leaf.ndim > 1 else leaf, nnx.state(model, nnx.Param))
    nnx.update(model, wide)
    return model


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETS)
def test_padding_before_a_prompt_and_other_rows_change_nothing(name, way):
    model, settings = writer(name), Settings(max_new_tokens=10, eos_token_id=(7, 8, 9), **WAYS[way])
    key = jax.random.key(0) if settings.do_sample else None
    graph, state = nnx.split(model)

    def write(state, ids, mask, rows):
        how = {"attention_mask": mask, "key": key, "row_ids": rows}
        return generate(nnx.merge(graph, state), ids, settings, **how if key is not None else {"attention_mask": mask})

    write = jax.jit(write, compiler_options=QUICK)
    ids = jax.random.randint(jax.random.key(3), (3, 6), 10, 61)
    mask = jnp.ones((3, 6), jnp.int32).at[1, :2].set(0)
    together = write(state, ids, mask, jnp.arange(3))
    assert len(set(map(str, together.tokens[:, 0].tolist()))) == 3
    alone = write(state, ids[1:2, 2:], mask[1:2, 2:], jnp.asarray([1]))
    other = write(state, ids.at[1, :2].set(33), mask, jnp.arange(3))
    for one in (alone.tokens[0], other.tokens[1]):
        np.testing.assert_array_equal(one, together.tokens[1])
    error = float(jnp.abs(alone.scores[0] / together.scores[1] - 1).max())
    print(f"scores of {float(together.scores[1, 0]):.1f} nats apart by {error:.1e} of that")
    assert error < 2e-5  # seen 4e-6


@pytest.mark.parametrize("way", WAYS)
def test_a_shape_of_prompts_is_compiled_once(way):
    model, settings = Table(), Settings(max_new_tokens=6, **WAYS[way])
    write = jax.jit(lambda ids, key: generate(model, ids, settings, key=key))
    write(jnp.ones((2, 3), jnp.int32), jax.random.key(0))
    traced = model.traced
    write(jnp.zeros((2, 3), jnp.int32), jax.random.key(1))
    assert model.traced == traced > 0


def test_a_decoder_compiles_once_for_all_prompts_of_a_shape():
    decoder = Decoder(writer("transformer"), Settings(max_new_tokens=3))
    for token in (11, 12):
        decoder(np.full((1, 4), token))
    assert decoder._whole._cache_size() == 1


def test_writing_ends_when_all_texts_have():
    model = Table()
    model.logits[:, :, 4] = 50.0  # the end always comes at once
    settings = Settings(max_new_tokens=1000, min_new_tokens=3, eos_token_id=4, pad_token_id=9)
    state = begun(model, jnp.asarray([[1], [2]]), settings)
    state = jax.jit(lambda state: advance(model, state, settings, 1000))(state)
    assert state.new(settings) == 4
    assert state.lengths.tolist() == [4, 4]
    assert (state.text.tokens[:, 4] == 4).all()
    assert (state.text.tokens[:, 5:] == 9).all()


def test_scores_are_the_sums_of_log_probabilities():
    model, settings = Table(), Settings(max_new_tokens=8, eos_token_id=(2, 3), suppress_tokens=(1,))
    prompts = jnp.asarray([[1, 4], [4, 9], [0, 5]])
    found = generate(model, prompts, settings)
    for row, prompt in enumerate(prompts.tolist()):
        text, score = found.tokens[row, 0, : found.lengths[row, 0]].tolist(), found.scores[row, 0]
        want = sum(model.log_probabilities([*prompt, *text[:n]])[token] for n, token in enumerate(text))
        assert abs(score - want) < 1e-5  # seen 1e-6
        assert 1 not in text


def test_what_cannot_be_gone_on_with_is_refused():
    decoder = Decoder(writer("transformer"), Settings(max_new_tokens=3))
    with pytest.raises(InputError, match="prompt 1 ends in padding"):
        decoder(np.ones((2, 2), np.int32), attention_mask=np.array([[1, 1], [1, 0]]))
    with pytest.raises(InputError, match="the prompts are empty"):
        decoder(np.ones((2, 0), np.int32))
    with pytest.raises(InputError, match="a text to write of 65 tokens is longer than the 64 places"):
        decoder(np.ones((1, 62), np.int32))
    with pytest.raises(InputError, match="eos_token_id=61 is beyond the vocabulary of 61 tokens"):
        Decoder(writer("transformer"), Settings(max_new_tokens=3, eos_token_id=61))(np.ones((1, 2), np.int32))
    every = Settings(max_new_tokens=1, num_beams=2, eos_token_id=(0, 1))
    with pytest.raises(InputError, match="no text could go on"):
        generate(Table(vocab_size=2), jnp.ones((1, 1), jnp.int32), every)
