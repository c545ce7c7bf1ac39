"""From token ids to vectors, and back to logits over the same table."""

import math

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from errors import InputError
from models.config import TransformerConfig
from models.layers import INIT, dense, norm
from ops.distributed import rows_times_matrix
from ops.dropout import dropout
from ops.positions import sinusoids


class Table(nnx.Embed):
    """A vector for each id, and NaN for an id without one; `jnp.take` would count those below 0 from the end."""

    def __call__(self, inputs: Int[Array, "*N"]) -> Float[Array, "*N E"]:
        if self.num_embeddings == 1:  # nnx.Embed would give its one vector for any id
            known = (inputs == 0)[..., None]
            return jnp.where(known, super().__call__(inputs), jnp.nan)
        return super().__call__(jnp.where(inputs < 0, self.num_embeddings, inputs))


class Places(nnx.Module):
    """What words become on their way into a net: their places and types are added; normed in post-norm nets, then
    dropped out and, where tables are narrower than the net, widened (Lan et al. 2020, section 3.1).

    Rotary and relative nets add no place here: it enters inside attention. With sinusoids the words are scaled by
    sqrt(width), lest the places drown them (Vaswani et al. 2017, section 3.4). A place beyond its table gives NaN.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        if cfg.positions == "learned":
            self.position = Table(cfg.max_positions, cfg.table_width, embedding_init=INIT, rngs=rngs)
        if cfg.token_types:
            self.token_type = Table(cfg.token_types, cfg.table_width, embedding_init=INIT, rngs=rngs)
        if cfg.norm == "post" or cfg.embedding_norm:
            self.norm = norm(cfg, cfg.table_width)
        if cfg.embedding_width:
            self.widen = dense(cfg, cfg.embedding_width, cfg.width, rngs=rngs)
        self.cfg = cfg

    def placed(
        self,
        words: Float[Array, "B S E"],
        position_ids: Int[Array, "B S"],
        token_type_ids: Int[Array, "B S"] | None = None,
        key: Array | None = None,
    ) -> Float[Array, "B S D"]:
        x = self._with_places(words, position_ids)
        if self.cfg.token_types:
            types = jnp.zeros_like(position_ids) if token_type_ids is None else token_type_ids
            x = x + self.token_type(types)
        elif token_type_ids is not None:
            raise InputError("token_type_ids were given but token_types is 0: leave them out, or set token_types")
        x = self.norm(x) if hasattr(self, "norm") else x.astype(self.cfg.compute_dtype)
        x = dropout(x, self.cfg.dropout_rate, key)
        return self.widen(x) if self.cfg.embedding_width else x

    def _with_places(self, words: Float[Array, "B S E"], position_ids: Int[Array, "B S"]) -> Float[Array, "B S E"]:
        cfg = self.cfg
        if cfg.scaled_words or cfg.positions == "sinusoidal":
            words = words * math.sqrt(cfg.table_width)
        match cfg.positions:
            case "learned":
                return words + self.position(position_ids)
            case "sinusoidal":
                return words + sinusoids(position_ids, cfg.table_width)
        return words


class Embeddings(Places):
    """The table of words, and their `Places`. An id beyond it gives NaN."""

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.word = Table(cfg.vocab_size, cfg.table_width, embedding_init=INIT, rngs=rngs)
        self.times = rows_times_matrix
        super().__init__(cfg, rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        position_ids: Int[Array, "B S"],
        token_type_ids: Int[Array, "B S"] | None = None,
        key: Array | None = None,
    ) -> Float[Array, "B S D"]:
        return self.placed(self.word(input_ids), position_ids, token_type_ids, key)

    def attend(self, x: Float[Array, "*N E"]) -> Float[Array, "*N V"]:
        """Each vector's product with every word's, summed in float32: the logits of a net that ties its two ends."""
        table = self.word.embedding[...].astype(self.cfg.compute_dtype)
        return self.times(x.astype(table.dtype), table.T, preferred_element_type=jnp.float32)


def place_ids(
    cfg: TransformerConfig,
    input_ids: Int[Array, "B S"],
    position_ids: Int[Array, "#B S"] | None,
    *,
    real: Bool[Array, "B S"] | None = None,
) -> Int[Array, "B S"]:
    """The places as given; or those of the row in turn; or, with `padding_place`, counted over the real tokens.

    Raises:
      InputError: if a row is longer than the learned table has places for.
    """
    length, before = input_ids.shape[1], cfg.padding_place
    cfg.check_length(length)
    if position_ids is not None:
        return jnp.broadcast_to(position_ids, input_ids.shape)
    if real is None or before < 0 or not cfg.counted_places:
        return jnp.broadcast_to(jnp.arange(length)[None] + (before + 1), input_ids.shape)
    return jnp.where(real, jnp.cumsum(real, axis=1) + before, before)
