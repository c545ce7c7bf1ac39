"""Which tokenizer a run has."""

from pathlib import Path

import pytest

from configs import defaults
from data.tokenizer import Tokenizer
from errors import InputError
from tasks.texts import load_tokenizer


def saved(place: Path, text: str) -> Path:
    Tokenizer.train("byte_bpe", [text] * 9, vocab_size=300).save(place)
    return place


def test_one_that_is_not_that_of_the_weights_is_refused_with_the_place_of_theirs(tmp_path):
    config = defaults.get_config()
    config.tokenizer.path = str(saved(tmp_path / "named", "a cat sat on a mat"))
    published = saved(tmp_path / "published", "of quite other words")  # a model's own directory
    with pytest.raises(InputError, match=f"differs from the tokenizer of init_from, which lies in {published}; leave"):
        load_tokenizer(config, tmp_path / "run", inherited=published)


def test_that_of_the_weights_takes_the_place_of_one_that_a_plan_left(tmp_path):
    config, own = defaults.get_config(), saved(tmp_path / "run" / "tokenizer", "a cat sat on a mat")
    published = saved(tmp_path / "published", "of quite other words")
    found = load_tokenizer(config, tmp_path / "run", inherited=published)
    assert found.sha256 == Tokenizer.load(published).sha256 == Tokenizer.load(own).sha256
    assert load_tokenizer(config, tmp_path / "run", inherited=None).sha256 == found.sha256  # as a resumed run has it
