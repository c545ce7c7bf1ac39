"""T5's pretraining: spans are taken out, and written each behind its sentinel (Raffel et al. 2020, section 3.1.4)."""

from functools import cached_property

import numpy as np

from data.corruption import sentinel_ids, span_corrupted
from errors import InputError
from tasks.restoring import Restoring


class SpanCorruption(Restoring):
    """`masking.rate` of the tokens (T5: 0.15) in spans of `masking.mean_span` on average (T5: 3)."""

    def spoilt(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        masking = self.config.masking
        sentinels = self._sentinels
        return span_corrupted(ids, rng, rate=masking.rate, mean_span=masking.mean_span, sentinels=sentinels)

    @property
    def text_length(self) -> int:
        """The longest that leaves at most `data.length` tokens to read and `data.target_length` to write."""
        data = self.config.data
        for length in range(4 * data.length, 4, -1):
            read, written = self._lengths(length)
            if read <= data.length and written <= data.target_length:
                return length
        raise InputError("data.length and data.target_length leave no room for a text")

    def _lengths(self, length: int) -> tuple[int, int]:
        """Of both sides of a text of `length` tokens, special tokens included."""
        masking = self.config.masking
        taken = min(max(round(length * masking.rate), 1), length - 1)
        spans = min(max(round(taken / masking.mean_span), 1), taken, length - taken)
        front = len(self.form.before_source(self.tokenizer)), len(self.form.before_target(self.tokenizer))
        return length - taken + spans + front[0] + 1, taken + spans + front[1] + 1

    @cached_property
    def _sentinels(self) -> np.ndarray:
        return sentinel_ids(self.tokenizer, self.rows_of_words)
