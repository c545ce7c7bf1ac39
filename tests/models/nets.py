"""Small nets for the tests, with weights large enough that a wrong answer shows."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models import MODELS

SIZES = {"vocab_size": 61, "width": 32, "depth": 1, "heads": 4, "mlp_width": 48, "max_positions": 64}
OWN = {"longformer": {"windows": (3, 5), "max_global_tokens": 4}, "alternating": {"windows": (3, 0)}}


def config(name, **changes):
    own = OWN.get(name, {})
    windows = {"windows": own["windows"][: changes.get("depth", 1)]} if own else {}
    return MODELS[name][0](**{**SIZES, **own, **windows, **changes})


def small(name, head=lambda encoder: encoder, **changes):
    """A net with every number drawn anew, ten times as wide as usual: each input then has its effect on the output."""
    build = MODELS[name][1]
    return drawn(lambda: head(build(config(name, **changes), rngs=nnx.Rngs(0))))


def drawn(build, deviation=0.2, seed=7):
    """`build()` with random numbers in place of its initial values; norms' scales around 1."""
    model = nnx.eval_shape(build)
    draw = np.random.default_rng(seed)

    def fill(path, leaf):
        noise = deviation * draw.standard_normal(leaf.shape)
        return leaf.replace(jnp.asarray(noise + (path[-1] == "scale"), leaf.dtype))

    params = nnx.to_flat_state(nnx.state(model, nnx.Param))
    nnx.update(model, nnx.from_flat_state([(path, fill(path, leaf)) for path, leaf in params]))
    return model


def token_ids(batch, length, seed=0, vocab_size=SIZES["vocab_size"]):
    return jax.random.randint(jax.random.key(seed), (batch, length), 0, vocab_size)


def marked(batch, length, *places):
    """1 at `places` of every row."""
    return jnp.zeros((batch, length), jnp.int32).at[:, jnp.array(places)].set(1)


# Compiling takes most of these tests' time; without the optimiser it takes half.
QUICK = {"xla_backend_optimization_level": 0}


def jitted(model, call):
    """`call(model)` compiled as one program: quicker here than operation by operation."""
    graph, params = nnx.split(model)
    return jax.jit(lambda params: call(nnx.merge(graph, params)), compiler_options=QUICK)(params)


def gradients(model, loss):
    """Flat {path: gradient} of `loss(model)`, jitted, as the trainer takes it."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    gradient = jax.grad(lambda params: loss(nnx.merge(graph, params, rest)))
    grads = jax.jit(gradient, compiler_options=QUICK)(params)
    return {".".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(grads)}
