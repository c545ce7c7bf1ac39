"""Texts from any model that tells the next token: greedy, drawn or searched for, whole or piece by piece."""

from decoding.generate import Decoder, generate
from decoding.settings import Settings
from decoding.streaming import stream, streams, texts
from decoding.writer import Writer, Written

__all__ = ["Decoder", "Settings", "Writer", "Written", "generate", "stream", "streams", "texts"]
