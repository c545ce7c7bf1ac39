"""Which arrays of a batch are the encoder's, and which tokens look at everything."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from errors import InputError

ENCODER_INPUTS = ("attention_mask", "segment_ids", "token_type_ids", "global_attention_mask")
GLOBAL_TOKENS = ("none", "first")


def encoder_inputs(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `batch` that every encoder takes by name, beside `input_ids`."""
    return {name: batch[name] for name in ENCODER_INPUTS if name in batch}


def batch_lengths(data: Any) -> tuple[int, ...]:
    """Tokens that a batch may be padded to, increasing: the shorter of `data.buckets`, and `data.length`."""
    return (*sorted(length for length in data.buckets if length < data.length), data.length)


def check_global_tokens(choice: str, also: tuple[str, ...] = ()) -> None:
    if choice not in GLOBAL_TOKENS + also:
        raise InputError(f"data.global_tokens={choice!r} is not one of {', '.join(GLOBAL_TOKENS + also)}")


def first_token_global(attention_mask: np.ndarray) -> np.ndarray:
    """Global attention on the first token of each example, as for classification (Beltagy et al. 2020, section 3.1)."""
    mask = np.zeros_like(attention_mask)
    mask[:, 0] = attention_mask[:, 0]
    return mask
