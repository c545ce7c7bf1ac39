"""How a stack runs its layers one after the other: written out or scanned, what lies inside kept or computed again."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from layer_stacks import bottom_first, layers_of, stack_name, taken_apart
from models.config import TransformerConfig
from ops.distributed import rows_shared

Make = Callable[[int, nnx.Rngs], nnx.Module]
Layers = nnx.Module  # an nnx.List of layers, or an nnx.Dict of stacks

# What of a layer the backward pass finds kept; all else it computes again (Chen et al. 2016, section 4).
KEPT = {
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


class LayerKeys(nnx.Rngs):
    """The keys of `nnx.Rngs(key)`, counted by a plain number: so a deep net is traced in half the time."""

    def __init__(self, key: Array):
        self.key, self.taken = key, 0

    def params(self) -> Array:
        self.taken += 1
        return jax.random.fold_in(self.key, self.taken - 1)


def make_layers(make: Make, cfg: TransformerConfig, *, rngs: nnx.Rngs) -> Layers:
    """The net's distinct layers, `make(number, rngs)` each, bottom first; the same initial weights scanned or not.

    With `cfg.scan` neighbours that differ in their weights alone are one module, whose arrays have an axis of layers in
    front: `layers.0-11`. Layers that differ, in their window for example, stand alone.
    """
    keys = jax.random.split(rngs.params(), cfg.depth)
    if not cfg.scan:
        return nnx.List([make(number, LayerKeys(key)) for number, key in enumerate(keys[: cfg.distinct_layers])])
    graphs = [nnx.graphdef(nnx.eval_shape(lambda: make(number, LayerKeys(keys[0])))) for number in range(cfg.depth)]  # noqa: B023
    stacks = {}
    for graph, numbers in itertools.groupby(range(cfg.depth), key=graphs.__getitem__):
        first, *others = numbers
        last = first + len(others)
        states = jax.vmap(lambda key: nnx.state(make(first, LayerKeys(key))))(keys[first : last + 1])  # noqa: B023
        stacks[stack_name(first, last)] = nnx.merge(graph, states)
    return nnx.Dict(stacks)


class Ran(NamedTuple):
    """`inputs`: what came into each layer, if it was to be kept. `caches`: theirs after the run."""

    x: Float[Array, "B S D"]
    inputs: tuple[Float[Array, "B S D"], ...]
    caches: Any


def run_layers(
    layers: Layers,
    x: Float[Array, "B S D"],
    view: Any,
    key: Array | None,
    *,
    cfg: TransformerConfig,
    caches: Any = None,
    keep_inputs: bool = False,
) -> Ran:
    """`x` through every layer in turn, each called with `(x, view, key of its own, cache of its own)`.

    A stack is one loop over its layers, traced and compiled once. By `cfg.layer_order` a layer may come several times.
    """
    keys = None if key is None else jax.random.split(key, cfg.depth)
    if isinstance(layers, nnx.List):
        return _in_turn(layers, x, view, keys, cfg, caches, keep_inputs)
    inputs, after = [], {}
    for name, stack in bottom_first(layers):
        graph, states = nnx.split(stack)
        own = None if keys is None else keys[layers_of(name)]
        given = (states, own, None if caches is None else caches[name])
        x, (kept, after[name]) = _scanned(_as_function(graph, cfg.remat), x, view, given, keep_inputs)
        inputs += list(kept) if keep_inputs else []
    return Ran(x, tuple(inputs), None if caches is None else after)


def fresh_caches(layers: Layers, make: Callable[[], Any], *, cfg: TransformerConfig) -> Any:
    """`make()` for each layer, arranged as `run_layers` takes them."""
    if isinstance(layers, nnx.List):
        return [make() for _ in range(cfg.depth)]
    stacks = {name: range(cfg.depth)[layers_of(name)] for name, _ in bottom_first(layers)}
    return {name: jax.tree.map(lambda *leaves: jnp.stack(leaves), *(make() for _ in of)) for name, of in stacks.items()}


def in_order(layers: Layers, cfg: TransformerConfig) -> list[nnx.Module]:
    """The layer of each turn, stacks taken apart: for whoever looks at one layer at a time."""
    if isinstance(layers, nnx.List):
        return [layers[number] for number in cfg.layer_order or range(cfg.depth)]
    return [layer for _, stack in bottom_first(layers) for layer in taken_apart(stack)]


def _in_turn(layers: Layers, x: Array, view: Any, keys: Any, cfg: TransformerConfig, caches: Any, keep: bool) -> Ran:
    inputs, after = [], []
    for turn, number in enumerate(cfg.layer_order or range(cfg.depth)):
        graph, state = nnx.split(layers[number])
        own = None if keys is None else keys[turn]
        inputs += [x] if keep else []
        given = None if caches is None else caches[turn]
        x, cache = _as_function(graph, cfg.remat)(state, rows_shared(x), view, own, given)
        after.append(cache)
    return Ran(x, tuple(inputs), None if caches is None else after)


def _as_function(graph: nnx.GraphDef, remat: str) -> Callable[..., tuple[Array, Any]]:
    """The layer as a function of its parameters, `x`, `view`, key and cache."""

    def call(state, x, view, key, cache):
        return nnx.merge(graph, state)(x, view, key, cache)

    return call if remat == "none" else jax.checkpoint(call, policy=KEPT[remat])


def _scanned(call: Callable[..., Any], x: Array, view: Any, given: tuple[Any, Any, Any], keep: bool) -> tuple[Any, Any]:
    def step(x, layer):
        state, key, cache = layer
        y, cache = call(state, rows_shared(x), view, key, cache)
        return y, (x if keep else None, cache)

    return jax.lax.scan(step, x, given)
