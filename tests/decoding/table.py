"""The smallest model that writes: logits from a table, by the two tokens before the next and by how many there are."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from models.prompts import Prompts

QUICK = {"xla_backend_optimization_level": 0}  # compiling takes most of these tests' time


class Last(NamedTuple):
    token: jnp.ndarray  # [B]
    count: jnp.ndarray  # [B]

    def widened(self, times):
        return Last(*(jnp.repeat(each, times) for each in self))

    def rearranged(self, places):
        taken = (jnp.take_along_axis(each.reshape(places.shape), places, axis=1).reshape(-1) for each in self)
        return Last(*taken)


class Table:
    """`traced` counts how often its step was traced. Logits grow with the text: no two texts have the same score."""

    def __init__(self, vocab_size=11, spread=2.0, seed=0):
        draw = np.random.default_rng(seed)
        self.logits = spread * draw.standard_normal((vocab_size,) * 3).astype(np.float32)
        self.traced, self.prompts = 0, Prompts(False, vocab_size)

    def for_steps(self):
        return self

    def start(self, batch, capacity):
        return Last(jnp.zeros(batch, jnp.int32), jnp.zeros(batch, jnp.int32))

    def step(self, tokens, cache, *, attention_mask=None, last=False):
        self.traced += 1
        real = jnp.ones(tokens.shape, jnp.int32) if attention_mask is None else attention_mask
        counts = cache.count[:, None] + jnp.cumsum(real, 1)
        before = jnp.concatenate([cache.token[:, None], tokens[:, :-1]], 1)
        before = jnp.where(counts > 1, before, 0)
        logits = jnp.asarray(self.logits)[before, tokens] * self.growth(counts)[:, :, None]
        return logits[:, -1:] if last else logits, Last(tokens[:, -1], counts[:, -1])

    @staticmethod
    def growth(count):
        return 0.97 + 0.03 * count

    def log_probabilities(self, text):
        """Of the token after `text`, in float64."""
        logits = self.logits[([0, *text])[-2], text[-1]].astype(np.float64) * self.growth(len(text))
        return logits - np.log(np.exp(logits).sum())
