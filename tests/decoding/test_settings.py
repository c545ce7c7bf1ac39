import pytest

from decoding import Settings
from errors import InputError

NONSENSE = [
    ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least 1, got 0"),
    ({"max_new_tokens": 2.5}, "max_new_tokens must be a whole number"),
    ({"num_beams": 0}, "num_beams must be a whole number of at least 1"),
    ({"num_beams": True}, "num_beams must be a whole number of at least 1"),
    ({"min_new_tokens": 6}, "min_new_tokens=6 is above max_new_tokens=5"),
    ({"do_sample": True, "temperature": 0}, "temperature must be above 0, got 0"),
    ({"do_sample": True, "temperature": -1.0}, "temperature must be above 0"),
    ({"do_sample": True, "temperature": float("nan")}, "temperature must be above 0"),
    ({"do_sample": True, "temperature": "hot"}, "temperature must be a number"),
    ({"do_sample": True, "top_p": 0.0}, "top_p must be above 0 and at most 1"),
    ({"do_sample": True, "top_p": 1.1}, "top_p must be above 0 and at most 1"),
    ({"do_sample": True, "min_p": 1.5}, "min_p must be from 0 to 1"),
    ({"do_sample": True, "top_k": -1}, "top_k must be a whole number of at least 0"),
    ({"do_sample": True, "num_beams": 2}, "num_beams above 1 searches and do_sample draws"),
    ({"temperature": 0.5}, "temperature=0.5 has no effect without do_sample"),
    ({"num_beams": 2, "top_k": 5}, "top_k=5 has no effect without do_sample"),
    ({"length_penalty": 2.0}, "length_penalty=2.0 has no effect without num_beams above 1"),
    ({"early_stopping": True}, "early_stopping=True has no effect without num_beams above 1"),
    ({"num_beams": 2, "early_stopping": "always"}, "early_stopping must be False, True or 'never'"),
    ({"num_beams": 2, "early_stopping": 1}, "early_stopping must be False, True or 'never'"),
    ({"num_beams": 2, "length_penalty": float("inf")}, "length_penalty must be a finite number"),
    ({"num_beams": 2, "prompt_lookup_num_tokens": 4}, "prompt_lookup_num_tokens is of no use to beams"),
    ({"prompt_lookup_num_tokens": -1}, "prompt_lookup_num_tokens must be a whole number of at least 0"),
    ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences=3 is more than num_beams=2"),
    ({"num_return_sequences": 2}, "num_return_sequences=2 is more than num_beams=1"),
    ({"repetition_penalty": 0.0}, "repetition_penalty must be above 0"),
    ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size must be a whole number of at least 0"),
    ({"eos_token_id": [1, 2]}, "eos_token_id must be made of token ids"),
    ({"eos_token_id": -1}, "eos_token_id must be made of token ids"),
    ({"eos_token_id": None}, "eos_token_id must be made of token ids"),
    ({"suppress_tokens": [3]}, "suppress_tokens must be a tuple"),
    ({"forced_bos_token_id": "x"}, "forced_bos_token_id must be made of token ids"),
    ({"forced_bos_token_id": 3, "suppress_tokens": (3,)}, "forced_bos_token_id=3 is also in suppress_tokens"),
]


@pytest.mark.parametrize(("changes", "sentence"), NONSENSE, ids=str)
def test_nonsense_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        Settings(**{"max_new_tokens": 5} | changes)


def test_what_a_vocabulary_does_not_have_is_refused():
    for changes, sentence in (
        ({"pad_token_id": 10}, "pad_token_id=10 is beyond the vocabulary of 10 tokens"),
        ({"eos_token_id": (3, 11)}, "eos_token_id=11 is beyond"),
        ({"decoder_start_token_id": 10}, "decoder_start_token_id=10 is beyond the vocabulary of 10 tokens"),
        ({"do_sample": True, "top_k": 11}, "top_k=11 is more than the vocabulary's 10 tokens"),
        ({"suppress_tokens": tuple(range(10))}, "suppress_tokens leave none of the 10 tokens to write"),
        (
            {"suppress_tokens": tuple(range(8)), "eos_token_id": (8, 9), "min_new_tokens": 1},
            "suppress_tokens and eos_token_id leave none of the 10 tokens",
        ),
    ):
        with pytest.raises(InputError, match=sentence):
            Settings(max_new_tokens=1, **changes).check_vocabulary(10)


def test_what_leaves_a_token_to_write_is_not_refused():
    Settings(max_new_tokens=1, suppress_tokens=tuple(range(8)), eos_token_id=(8, 9)).check_vocabulary(10)
    Settings(max_new_tokens=1, suppress_tokens=tuple(range(9)), decoder_start_token_id=9).check_vocabulary(10)
