"""What a decoder is given is looked at before it is compiled: a program would take it, or tell nothing of use."""

import numpy as np
import pytest
from flax import nnx
from test_laws import SIZES, writer

from decoding import Decoder, Settings, generate
from errors import InputError
from models.config import EncoderDecoderConfig, LongformerConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import Generator

IDS = np.full((2, 4), 11)
MASK = np.ones((2, 4), np.int32)
WRONG = [
    (IDS, {"attention_masks": MASK}, "takes no attention_masks: give attention_mask"),
    (IDS, {"global_attention_mask": MASK}, "takes no global_attention_mask: give attention_mask"),
    (IDS[0], {}, r"must be rows of token ids of one length, got the shape \(4,\)"),
    (IDS[:0], {}, "the prompts are empty"),
    (IDS * 1.0, {}, "input_ids must be whole numbers, got float64"),
    (IDS + 50, {}, "input_ids has 61, which is no token of a vocabulary of 61"),
    (IDS - 12, {}, "input_ids has -1, which is no token"),
    (IDS, {"attention_mask": MASK[:, 1:]}, r"attention_mask must have the shape of input_ids, \(2, 4\), got \(2, 3\)"),
    (IDS, {"attention_mask": MASK[:1]}, "attention_mask must have the shape of input_ids"),
    (IDS, {"key": 0}, r"key must be one to draw with, jax.random.key\(seed\), got 0"),
    (IDS, {"row_ids": np.arange(3)}, "row_ids must be one number for each of 2 prompts"),
]


@pytest.fixture(scope="module")
def decoder():
    return Decoder(writer("transformer"), Settings(max_new_tokens=3))


def reader():
    sizes = SIZES | {"max_positions": 16}
    read = LongformerConfig(**sizes | {"causal": False}, windows=(2,), max_global_tokens=2)
    cfg = EncoderDecoderConfig(encoder=read, decoder=TransformerConfig(**sizes))
    return Generator(EncoderDecoder(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))


@pytest.mark.parametrize(("ids", "more", "sentence"), WRONG, ids=str)
def test_what_is_no_prompt_is_refused_in_one_sentence(decoder, ids, more, sentence):
    with pytest.raises(InputError, match=sentence):
        decoder(ids, **more)


def test_lists_are_prompts_too(decoder):
    mask = [[1, 1, 1, 1], [0, 1, 1, 1]]
    found = decoder(IDS.tolist(), attention_mask=mask, token_type_ids=None)
    np.testing.assert_array_equal(found.tokens, decoder(IDS, attention_mask=np.asarray(mask)).tokens)


def test_what_nothing_would_read_is_refused_within_a_program_too():
    with pytest.raises(InputError, match="takes no global_attention_mask"):
        generate(writer("transformer"), IDS, Settings(max_new_tokens=1), global_attention_mask=MASK)


def test_a_decoder_needs_to_know_whether_its_model_reads():
    with pytest.raises(InputError, match="set decoder_start_token_id to the token that it writes behind"):
        Decoder(reader(), Settings(max_new_tokens=3))
    with pytest.raises(InputError, match="decoder_start_token_id=2 is of models that read; this one goes on"):
        Decoder(writer("transformer"), Settings(max_new_tokens=3, decoder_start_token_id=2))


def test_global_tokens_for_which_a_net_has_no_slot_are_refused():
    """Compiled, it would take them for ordinary ones; those that are padding need none."""
    write = Decoder(reader(), Settings(max_new_tokens=3, decoder_start_token_id=2))
    with pytest.raises(InputError, match="Example 0 of the batch has 4 global tokens but max_global_tokens is 2"):
        write(IDS, global_attention_mask=MASK)
    real = np.array([[1, 1, 0, 0]] * 2)
    assert write(IDS, attention_mask=real, global_attention_mask=MASK).tokens.shape == (2, 1, 3)
    with pytest.raises(InputError, match="takes no foo: give attention_mask, token_type_ids"):
        write(IDS, foo=MASK)
