"""What a net that writes is given to write from, and what of it is refused before a program runs that cannot tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from errors import InputError
from ops.global_tokens import check_global_count

READ = ("attention_mask", "token_type_ids", "position_ids", "segment_ids")


@dataclass(frozen=True)
class Prompts:
    """`reads`: texts to be read, by an encoder-decoder; else those that the net goes on with.

    `names`: what it takes beside `input_ids`. `global_tokens`: the most that a row may have.
    """

    reads: bool
    vocab_size: int
    names: tuple[str, ...] = ("attention_mask",)
    global_tokens: int = 0

    def check_names(self, given: Iterable[str]) -> None:
        """Raises InputError for what nothing would read."""
        if unknown := [name for name in given if name not in self.names]:
            raise InputError(f"this model takes no {unknown[0]}: give {', '.join(self.names)} or nothing")

    def check(self, input_ids: np.ndarray, given: Mapping[str, np.ndarray]) -> None:
        """Raises InputError for what no net would refuse, or not in words: it sees no values while it is compiled."""
        self.check_names(given)
        if input_ids.ndim != 2:
            raise InputError(f"input_ids must be rows of token ids of one length, got the shape {input_ids.shape}")
        if not input_ids.size:
            raise InputError("the prompts are empty: give each at least one token, and at least one of them")
        if input_ids.dtype.kind not in "iu":
            raise InputError(f"input_ids must be whole numbers, got {input_ids.dtype}")
        least, most = int(input_ids.min()), int(input_ids.max())
        if least < 0 or most >= self.vocab_size:
            wrong = least if least < 0 else most
            raise InputError(
                f"input_ids has {wrong}, which is no token of a vocabulary of {self.vocab_size}: "
                "use the tokenizer that the model was trained with"
            )
        for name, array in given.items():
            if array.shape != input_ids.shape and (name != "position_ids" or array.shape != (1, input_ids.shape[1])):
                raise InputError(f"{name} must have the shape of input_ids, {input_ids.shape}, got {array.shape}")
        if "global_attention_mask" in given:
            real = given.get("attention_mask", np.ones_like(input_ids)) != 0
            check_global_count((given["global_attention_mask"] != 0) & real, self.global_tokens)
