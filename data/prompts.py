"""Texts to be gone on with, as rows that end on their last token."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from data.tokenizer import Tokenizer
from errors import InputError


def left_padded_prompts(
    prompts: Sequence[str], origins: Sequence[str], tokenizer: Tokenizer, *, room: int
) -> dict[str, Int[np.ndarray, "N ..."]]:
    """input_ids and prompt_mask [N P], padded on the left, and index [N]; P is a power of two, or `room`.

    The token that stands before a text stands before each, so that an empty prompt begins a new text.

    Raises:
      InputError: naming where it is from, for a prompt of more than `room` tokens.
    """
    rows = [np.append(tokenizer.sep_id, ids).astype(np.int32) for ids in tokenizer.encode_batch(list(prompts))]
    for row, origin in zip(rows, origins, strict=True):
        if len(row) > room:
            raise InputError(
                f"{origin}: the prompt has {len(row)} tokens, and beside what is written there is room for {room}: "
                "shorten it, lower decoding.max_new_tokens or raise data.length"
            )
    width = min(room, 1 << max(len(row) - 1 for row in rows).bit_length()) if rows else 1
    ids, real = np.full((len(rows), width), tokenizer.pad_id, np.int32), np.zeros((len(rows), width), np.int32)
    for number, row in enumerate(rows):
        ids[number, width - len(row) :], real[number, width - len(row) :] = row, 1
    return {"input_ids": ids, "prompt_mask": real, "index": np.arange(len(rows), dtype=np.int32)}
