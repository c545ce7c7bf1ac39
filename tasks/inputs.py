"""Which arrays of a batch are the encoder's, and which tokens look at everything."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.classification import PadTo
from errors import InputError

ENCODER_INPUTS = ("attention_mask", "segment_ids", "token_type_ids", "global_attention_mask")
GLOBAL_TOKENS = ("none", "first")


def encoder_inputs(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `batch` that every encoder takes by name, beside `input_ids`."""
    return {name: batch[name] for name in ENCODER_INPUTS if name in batch}


def pad_rows(pad: PadTo, examples: Sequence[Mapping[str, Any]], longest: int | None) -> dict[str, Any]:
    """Examples with as many "rows" each, an "index" and perhaps a "label", padded together: arrays [B R S]."""
    flat = pad([row for each in examples for row in each["rows"]], longest)
    batch = {name: x.reshape(len(examples), -1, *x.shape[1:]) for name, x in flat.items()}
    batch["index"] = np.asarray([each["index"] for each in examples], np.int32)
    if "label" in examples[0]:
        batch["labels"] = np.asarray([each["label"] for each in examples], np.int32)
    return batch


def batch_lengths(data: Any) -> tuple[int, ...]:
    """Tokens that a batch may be padded to, increasing: the shorter of `data.buckets`, and `data.length`."""
    return (*sorted(length for length in data.buckets if length < data.length), data.length)


def check_no_buckets(config: Any) -> None:
    if config.data.buckets:
        raise InputError(f"data.buckets pads short texts to less; {config.task} packs full rows: leave it empty")


def check_global_tokens(choice: str, also: tuple[str, ...] = ()) -> None:
    if choice not in GLOBAL_TOKENS + also:
        raise InputError(f"data.global_tokens={choice!r} is not one of {', '.join(GLOBAL_TOKENS + also)}")


def first_token_global(attention_mask: np.ndarray) -> np.ndarray:
    """Global attention on the first token of each example, as for classification (Beltagy et al. 2020, section 3.1)."""
    mask = np.zeros_like(attention_mask)
    mask[:, 0] = attention_mask[:, 0]
    return mask
