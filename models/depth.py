"""How a stack runs its layers one after the other: written out or scanned, what lies inside kept or computed again."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jax import Array
from jaxtyping import Float

from layer_stacks import layers_of, stack_name
from models.config import TransformerConfig
from ops.distributed import rows_shared

Make = Callable[[int, nnx.Rngs], nnx.Module]
Layers = nnx.Module  # an nnx.List of layers, or an nnx.Dict of stacks

# What of a layer the backward pass finds kept; all else it computes again (Chen et al. 2016, section 4).
KEPT = {
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


def make_layers(make: Make, cfg: TransformerConfig, *, rngs: nnx.Rngs) -> Layers:
    """`cfg.depth` layers, `make(number, rngs)` each, bottom layer first; the same initial weights scanned or not.

    With `cfg.scan` neighbours that differ in their weights alone are one module, whose arrays have an axis of layers in
    front: `layers.0-11`. Layers that differ, in their window for example, stand alone.
    """
    keys = jax.random.split(rngs.params(), cfg.depth)
    if not cfg.scan:
        return nnx.List([make(number, nnx.Rngs(key)) for number, key in enumerate(keys)])
    graphs = [nnx.graphdef(nnx.eval_shape(lambda: make(number, nnx.Rngs(0)))) for number in range(cfg.depth)]  # noqa: B023
    stacks = {}
    for graph, numbers in itertools.groupby(range(cfg.depth), key=graphs.__getitem__):
        first, *others = numbers
        last = first + len(others)
        states = jax.vmap(lambda key: nnx.state(make(first, nnx.Rngs(key))))(keys[first : last + 1])  # noqa: B023
        stacks[stack_name(first, last)] = nnx.merge(graph, states)
    return nnx.Dict(stacks)


def run_layers(
    layers: Layers, x: Float[Array, "B S D"], view: Any, key: Array | None, *, cfg: TransformerConfig
) -> Float[Array, "B S D"]:
    """`x` through every layer in turn, each called with `(x, view, key of its own)`.

    A stack is one loop over its layers, traced and compiled once.
    """
    keys = None if key is None else jax.random.split(key, cfg.depth)
    if isinstance(layers, nnx.List):
        for number, layer in enumerate(layers):
            graph, state = nnx.split(layer)
            own = None if keys is None else keys[number]
            x = _as_function(graph, cfg.remat)(state, rows_shared(x), view, own)
        return x
    for name, stack in layers.items():
        graph, states = nnx.split(stack)
        own = None if keys is None else keys[layers_of(name)]
        x = _scanned(_as_function(graph, cfg.remat), states, x, view, own)
    return x


def _as_function(graph: nnx.GraphDef, remat: str) -> Callable[..., Array]:
    """The layer as a function of its parameters, `x`, `view` and key."""

    def call(state, x, view, key):
        return nnx.merge(graph, state)(x, view, key)

    return call if remat == "none" else jax.checkpoint(call, policy=KEPT[remat])


def _scanned(call: Callable[..., Array], states: Any, x: Array, view: Any, keys: Array | None) -> Array:
    def step(x, layer):
        state, key = layer
        return call(state, rows_shared(x), view, key), None

    return jax.lax.scan(step, x, (states, keys))[0]
