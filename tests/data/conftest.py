"""A small tokenizer and a few documents, made once."""

import re

import pytest

from data.tokenizer import Tokenizer

WORDS = re.findall(r"\w+", "the whale swam past a small ship and nobody saw it until morning came over the grey sea")


@pytest.fixture(scope="session")
def texts():
    lines = [" ".join(WORDS[(i * j + j) % len(WORDS)] for j in range(3 + i % 9)).capitalize() + "." for i in range(120)]
    return ["\n".join(lines[i : i + 6]) for i in range(0, 120, 6)]


@pytest.fixture(scope="session")
def tokenizer(texts):
    return Tokenizer.train("byte_bpe", texts, vocab_size=320)
