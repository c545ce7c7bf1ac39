"""Positions as a bias of scores, by the distance of two tokens."""

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from models.config import TransformerConfig
from models.layers import INIT
from ops.positions import distance_buckets


class RelativePositions(nnx.Module):
    """For each head a number for each bucket of distances; all layers share it.

    Source: Raffel et al. 2020, section 2.1.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.bias = nnx.Embed(cfg.relative_buckets, cfg.heads, embedding_init=INIT, rngs=rngs)
        self.cfg = cfg

    def __call__(self, places: Int[Array, "T"], keys: int) -> Float[Array, "1 H T S"]:
        """For queries at `places` and keys at 0 to `keys` - 1."""
        farthest = self.cfg.relative_distance
        buckets = distance_buckets(self.cfg.relative_buckets, farthest, both_sides=not self.cfg.causal)
        distance = jnp.arange(keys)[None, :] - places[:, None]  # [T S]
        bucket = jnp.asarray(buckets)[jnp.clip(distance, -farthest, farthest) + farthest]
        return self.bias(bucket).transpose(2, 0, 1)[None]


def relative_bias(net: nnx.Module, places: Int[Array, "T"], keys: int) -> Float[Array, "1 H T S"] | None:
    """That of a net with relative positions; None for another."""
    return net.relative(places, keys) if net.cfg.positions == "relative" else None
