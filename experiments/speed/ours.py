"""A training step of this project's encoders, for worker.py."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from experiments.speed.cases import DEPTH, HEADS, MLP_WIDTH, WIDTH, WINDOW, Case, inputs, loss_weights
from models.config import LongformerConfig, TransformerConfig
from models.cost import TRAINING, encoder_flops
from models.longformer import Longformer
from models.transformer import Transformer


def sizes(case: Case) -> TransformerConfig:
    shared = {
        "vocab_size": case.vocab_size,
        "width": WIDTH,
        "depth": DEPTH,
        "heads": HEADS,
        "mlp_width": MLP_WIDTH,
        "max_positions": case.max_positions,
        "token_types": case.token_types,
        "dropout_rate": case.dropout,
        "attention_dropout_rate": case.dropout,
        "norm_epsilon": 1e-12,
    }
    if case.family == "bert":
        return TransformerConfig(**shared)
    return LongformerConfig(**shared, windows=(WINDOW,) * DEPTH, max_global_tokens=1)


def step_flops(case: Case) -> int:
    """Operations that one step needs: forward, and twice that for the gradients of inputs and parameters."""
    global_tokens = 1 if case.family == "longformer" else 0
    return TRAINING * case.batch * encoder_flops(sizes(case), case.length, global_tokens=global_tokens)


def matrix_product() -> Callable[[], Array]:
    """The product whose rate all others are set against."""
    factors = [jax.device_put(np.ones(shape, np.float32)) for shape in ((2048, WIDTH), (WIDTH, MLP_WIDTH))]
    product = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(product(*factors))


class Ours:
    """Built once; each call of `step` is a forward and a backward pass with the gradients of all parameters."""

    def __init__(self, case: Case, peer: str):
        del peer
        cfg = sizes(case)
        net = Longformer(cfg, rngs=nnx.Rngs(0)) if case.family == "longformer" else Transformer(cfg, rngs=nnx.Rngs(0))
        graph, self._params = nnx.split(net, nnx.Param)
        self._batch = jax.device_put(inputs(case))
        weights = jnp.asarray(loss_weights(case))

        def loss(params, batch, seed):
            rngs = nnx.Rngs(dropout=jax.random.key(seed)) if case.dropout else None
            output = nnx.merge(graph, params)(**batch, rngs=rngs).last_hidden_state
            return (output * weights).sum(), output

        self._step = jax.jit(jax.value_and_grad(loss, has_aux=True))
        self._calls = 0
        self.matmul = matrix_product()

    @property
    def parameters(self) -> int:
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(self._params))

    def step(self):
        self._calls += 1
        return jax.block_until_ready(self._step(self._params, self._batch, self._calls))

    def finite(self) -> bool:
        return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(self.step()))
