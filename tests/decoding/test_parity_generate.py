"""Texts from transformers' files: token for token those of its own `generate`."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from table import QUICK

import pretrained
from decoding import Settings, generate

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretrained"))
from published import VOCAB, published  # noqa: E402

MOST, PAD, START = 13, 1, 2  # its beams take a pad of 0 for none
ENDS = (5, 8, 9, 11, 14, 20, 47, 63)  # which occur, so that texts end at different lengths
SEARCH = {"num_beams": 4, "num_return_sequences": 4}
WAYS = {
    "greedy": {},
    "rules": {
        "repetition_penalty": 1.8,
        "no_repeat_ngram_size": 3,
        "min_new_tokens": 4,
        "suppress_tokens": (9, 10, 20),
    },
    "beams, 0.8": SEARCH | {"length_penalty": 0.8},
    "beams, 2": SEARCH | {"length_penalty": 2.0, "no_repeat_ngram_size": 3},
    "beams, early": SEARCH | {"early_stopping": True, "min_new_tokens": 2},
    "beams, never": SEARCH | {"early_stopping": "never", "length_penalty": 0.8, "forced_eos_token_id": 5},
}
FORCED = {"beams, forced": SEARCH | {"forced_bos_token_id": 7, "repetition_penalty": 1.5}}
FAMILIES = {"gpt2": "LMHeadModel", "bart": "ForConditionalGeneration", "t5": "ForConditionalGeneration"}
FAMILIES |= {"led": "ForConditionalGeneration"}
CASES = [(family, way) for family in FAMILIES for way in WAYS | ({} if family == "gpt2" else FORCED)]
QUICKLY = {  # each case compiles a program of its own; the others are slow
    ("gpt2", "greedy"),
    ("gpt2", "rules"),
    ("gpt2", "beams, 0.8"),
    ("bart", "beams, 2"),
    ("t5", "beams, early"),
    ("led", "beams, forced"),
}
CASES = [pytest.param(*case, marks=() if case in QUICKLY else pytest.mark.slow) for case in CASES]


@pytest.fixture(scope="module")
def family(request, tmp_path_factory):
    """Name, transformers' model, ours, and prompts or texts of unequal length for both."""
    name, place = request.param, tmp_path_factory.mktemp(request.param)
    # transformers' cache for a T5 has as many layers as its encoder, whatever the decoder's
    theirs = published(name, FAMILIES[name], **({"num_decoder_layers": 2} if name == "t5" else {}))
    if name == "t5":
        with torch.no_grad():
            theirs.shared.weight.mul_(0.1)  # or each token, being its own likeliest successor, comes again and again
    theirs.save_pretrained(place)
    ours = nnx.split(pretrained.load(place, **({"max_global_tokens": 2} if name == "led" else {})))
    draw = np.random.default_rng(4)
    shape = (4, 11 if name == "gpt2" else 24)  # transformers' LED reads multiples of both its windows
    ids, mask = draw.integers(3, VOCAB, shape), np.ones(shape, np.int64)
    if name == "gpt2":
        mask[1, :5], mask[3, :1] = 0, 0
    else:
        mask[1, 6:], mask[3, 20:] = 0, 0
    ids = np.where(mask, ids, theirs.config.pad_token_id or 0)
    given = {"input_ids": ids, "attention_mask": mask}
    if name == "led":
        given["global_attention_mask"] = (np.arange(24)[None] == 0).repeat(4, 0).astype(np.int64)
    return name, theirs, ours, given


@pytest.mark.parametrize(("family", "way"), CASES, indirect=["family"])
def test_texts_are_those_of_transformers(family, way):
    name, theirs, (graph, state), given = family
    how, start = (WAYS | FORCED)[way], {} if name == "gpt2" else {"decoder_start_token_id": START}
    settings = Settings(max_new_tokens=MOST, eos_token_id=ENDS, pad_token_id=PAD, **start, **how)

    def write(state, given):
        return generate(nnx.merge(graph, state).for_steps(), settings=settings, **given)  # as a Decoder does

    got = jax.tree.map(np.asarray, jax.jit(write, compiler_options=QUICK)(state, given))
    want, scores = generated(theirs, given, how | start)
    tokens = got.tokens.reshape(want.shape)
    assert len({tuple(row) for row in want}) > 1
    np.testing.assert_array_equal(tokens, want)
    if "num_beams" in how:
        error = np.abs(got.scores.flatten() - scores).max()
        print(f"{name}, {way}: lengths {sorted(set(got.lengths.flatten().tolist()))}, scores apart by {error:.1e} nats")
        assert error < 1e-4  # seen 3e-6


def generated(theirs, given, how):
    """transformers' new tokens, padded, and the scores of its beams."""
    how = {key: list(value) if isinstance(value, tuple) else value for key, value in how.items()}
    theirs.generation_config = transformers.GenerationConfig(pad_token_id=PAD, eos_token_id=list(ENDS))
    tensors = {key: torch.from_numpy(value) for key, value in given.items()}
    told = {"return_dict_in_generate": True, "output_scores": True}
    with torch.no_grad():
        found = theirs.generate(**tensors, max_new_tokens=MOST, do_sample=False, **told, **how)
    before = 1 if "decoder_start_token_id" in how else given["input_ids"].shape[1]
    new = found.sequences.numpy()[:, before:]
    scores = found.sequences_scores.numpy() if "num_beams" in how else None
    return np.pad(new, ((0, 0), (0, MOST - new.shape[1])), constant_values=PAD), scores
