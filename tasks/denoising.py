"""BART's pretraining: sentences change places and spans become one mask each; the text is written again in full.

Source: Lewis et al. 2019, section 2.2 (sentence permutation and text infilling, its best pair).
"""

from functools import cached_property

import numpy as np
from jaxtyping import Bool

from data.corruption import infilled, permuted
from tasks.restoring import Restoring

ENDS = (".", "!", "?", "\n")


class Denoising(Restoring):
    """`masking.rate` of the tokens (BART: 0.3) in spans of `masking.mean_span` on average (BART: 3)."""

    def spoilt(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        masking = self.config.masking
        read = permuted(ids, self._ends_sentence[ids], rng) if masking.permute_sentences else ids
        mask = self.tokenizer.mask_id
        return infilled(read, rng, rate=masking.rate, mean_span=masking.mean_span, mask_id=mask), ids

    @property
    def text_length(self) -> int:
        return min(self.config.data.length, self.config.data.target_length) - 2  # a cls before it and a sep behind

    @cached_property
    def _ends_sentence(self) -> Bool[np.ndarray, " V"]:
        texts = (self.tokenizer.decode([i]) for i in range(self.tokenizer.vocab_size))
        return np.asarray([text.endswith(ENDS) for text in texts])
