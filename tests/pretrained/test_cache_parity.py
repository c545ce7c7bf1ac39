"""Texts written step by step, from transformers' files: the logits that transformers' own caches give."""

import jax
import numpy as np
import pytest
from flax import nnx

import pretrained

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

from published import VOCAB, inputs, published  # noqa: E402

STEPS = (5, 1, 1, 3, 1)  # tokens written at once: a prompt, then few
WINDOWED = {"led": {"max_global_tokens": 6}}


def error(ours, theirs, real=None):
    ours, theirs = np.asarray(ours, np.float64), theirs.numpy().astype(np.float64)
    ours, theirs = (ours, theirs) if real is None else (ours[real == 1], theirs[real == 1])
    return np.abs(ours - theirs).max() / theirs.std()


@pytest.mark.parametrize("scan", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", ["t5", "t5-1.1", "bart", "led"])
def test_what_an_encoder_decoder_writes_has_their_logits(family, scan, tmp_path):
    theirs = published(family, "ForConditionalGeneration")
    given = inputs(family)
    read = {name: value for name, value in given.items() if not name.startswith("decoder")}
    tokens = np.random.default_rng(3).integers(3, VOCAB, (4, sum(STEPS)))
    theirs.save_pretrained(tmp_path)
    graph, state = nnx.split(pretrained.load(tmp_path, scan=scan, **WINDOWED.get(family, {})))
    start = jax.jit(lambda state, given: nnx.merge(graph, state).start(capacity=16, **given))
    step = jax.jit(lambda state, tokens, cache: nnx.merge(graph, state).step(tokens, cache))
    cache, past, first, worst = start(state, read), None, 0, 0.0
    with torch.no_grad():
        encoded = theirs.get_encoder()(**{name: torch.from_numpy(value) for name, value in read.items()})
        for count in STEPS:
            new = tokens[:, first : first + count]
            got, cache = step(state, new, cache)
            want = theirs(
                encoder_outputs=encoded,
                attention_mask=torch.from_numpy(read["attention_mask"]),
                decoder_input_ids=torch.from_numpy(new),
                past_key_values=past,
                use_cache=True,
            )
            past, first = want.past_key_values, first + count
            worst = max(worst, error(got, want.logits))
    print(f"{family}: {worst:.1e}")
    assert worst < 1e-4  # seen 8e-6


@pytest.mark.parametrize("scan", [False, True])
def test_gpt2_writes_behind_prompts_of_unequal_length_as_theirs_does(scan, tmp_path):
    theirs = published("gpt2", "LMHeadModel")
    tokens = np.random.default_rng(3).integers(3, VOCAB, (4, sum(STEPS)))
    real = np.ones_like(tokens)
    real[1, :3], real[2, :1] = 0, 0  # padding before the shorter prompts
    places = np.maximum(np.cumsum(real, 1) - 1, 0)
    theirs.save_pretrained(tmp_path)
    graph, state = nnx.split(pretrained.load(tmp_path, scan=scan))
    cache, past, first, worst = nnx.merge(graph, state).start(4, 16), None, 0, 0.0

    @jax.jit
    def step(state, tokens, cache, mask):
        return nnx.merge(graph, state).step(tokens, cache, attention_mask=mask)

    with torch.no_grad():
        for count in STEPS:
            at = slice(first, first + count)
            got, cache = step(state, tokens[:, at], cache, real[:, at])
            want = theirs(
                input_ids=torch.from_numpy(tokens[:, at]),
                attention_mask=torch.from_numpy(real[:, : first + count]),
                position_ids=torch.from_numpy(places[:, at]),
                past_key_values=past,
                use_cache=True,
            )
            past, first = want.past_key_values, first + count
            worst = max(worst, error(got, want.logits, real[:, at]))
    print(f"gpt2: {worst:.1e}")
    assert worst < 1e-4  # seen 2e-6
