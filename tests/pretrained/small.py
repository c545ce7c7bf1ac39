"""A model small enough to be written and read a thousand times."""

import jax
from flax import nnx

from models import MaskedLM, Transformer, TransformerConfig

SIZES = {"vocab_size": 40, "width": 12, "depth": 2, "heads": 2, "mlp_width": 16, "max_positions": 20}


def masked_lm(**more):
    cfg = TransformerConfig(**SIZES | {"token_types": 1, "padding_place": 1} | more)
    return MaskedLM(Transformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))


def equal(one, other):
    return jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), nnx.state(one), nnx.state(other)))
