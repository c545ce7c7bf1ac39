"""A streamed text is the whole text, up to where it is to stop, whatever the size of its pieces."""

import jax
import numpy as np
import pytest
from test_laws import writer

from decoding import Decoder, Settings, stream, streams, texts
from decoding.streaming import _Row
from errors import InputError

ALPHABET = [chr(97 + n % 3) + chr(97 + n % 5) * (n % 3) for n in range(61)]  # of one to three letters


def decode(ids):
    return "".join(ALPHABET[each] for each in ids)


@pytest.fixture(scope="module")
def decoder():
    return Decoder(writer("transformer"), Settings(max_new_tokens=24, eos_token_id=(7, 8)))


@pytest.fixture(scope="module")
def prompts():
    return np.random.default_rng(0).integers(10, 61, (5, 4))


@pytest.fixture(scope="module")
def wholes(decoder, prompts):
    found = jax.tree.map(np.asarray, decoder(prompts))
    rows = zip(found.tokens[:, 0], found.lengths[:, 0], strict=True)
    return [decode([each for each in row[:length] if each not in (7, 8)]) for row, length in rows]


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_pieces_make_the_whole(decoder, prompts, wholes, chunk):
    pieces = list(streams(decoder, prompts, decode, chunk=chunk))
    assert len(pieces) >= min(2, 24 // chunk)
    assert ["".join(each) for each in zip(*pieces, strict=True)] == wholes


@pytest.mark.parametrize("chunk", [1, 5])
def test_a_text_stops_where_a_string_begins_though_tokens_cut_it(decoder, prompts, wholes, chunk):
    stops = [wholes[0][7:11], wholes[1][12:14]]
    wanted = [whole[: min([at for at in map(whole.find, stops) if at >= 0], default=None)] for whole in wholes]
    assert wanted != wholes
    assert texts(decoder, prompts, decode, stop=stops, chunk=chunk) == wanted
    pieces = [each for row in streams(decoder, prompts, decode, stop=stops, chunk=chunk) for each in row]
    assert max(map(len, pieces)) <= 3 * (chunk + 4)


def test_streaming_compiles_once_for_all_chunks_and_texts(decoder, prompts):
    assert "".join(stream(decoder, prompts[:1], decode)) == texts(decoder, prompts[:1], decode)[0]
    before = decoder._more._cache_size()
    assert texts(decoder, prompts[1:2], decode, chunk=7)
    assert decoder._more._cache_size() == before


def test_half_a_character_is_held_back():
    tokens = "aé€😀b".encode()
    row, lengths = _Row(()), range(1, len(tokens) + 1)
    pieces = [row.piece(tokens[:end].decode(errors="replace"), end == len(tokens)) for end in lengths]
    assert "".join(pieces) == "aé€😀b"
    assert [each for each in pieces if each] == ["a", "é", "€", "😀", "b"]


def test_what_cannot_be_streamed_is_refused(decoder, prompts):
    with pytest.raises(InputError, match="stream writes one text, got 5 prompts"):
        next(stream(decoder, prompts, decode))
    with pytest.raises(InputError, match="chunk must be at least 1"):
        streams(decoder, prompts, decode, chunk=0)
    with pytest.raises(InputError, match=r"a whole number, got 2\.5"):
        streams(decoder, prompts, decode, chunk=2.5)
    for stop in ("ab", None, [1, 2]):
        with pytest.raises(InputError, match="stop must be a list of strings"):
            streams(decoder, prompts, decode, stop=stop)
    with pytest.raises(InputError, match="none of them empty"):
        streams(decoder, prompts, decode, stop=[""])
    searching = Decoder(writer("transformer"), Settings(max_new_tokens=4, num_beams=2))
    with pytest.raises(InputError, match="set num_beams=1"):
        next(streams(searching, prompts, decode))
