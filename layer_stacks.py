"""How layers that lie behind one another in one array are named, and how such arrays are taken apart and put together.

A scanned stack holds the parameters of layers 0 to 11 as `encoder.layers.0-11.mlp.up.kernel`, an array with one more
axis in front; written out they are `encoder.layers.0.mlp.up.kernel` and so on. Models and training both go by this.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

STACKED = re.compile(r"((?:.*\.)?layers)\.(\d+)-(\d+)(?:\.|$)")


def stack_name(first: int, last: int) -> str:
    return f"{first}-{last}"


def layers_of(name: str) -> slice:
    """The layers of the stack of that name."""
    first, last = map(int, name.split("-"))
    return slice(first, last + 1)


def bottom_first(layers: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each stack with its name, in the order in which they run: of a merged model they lie in that of the alphabet."""
    return sorted(layers.items(), key=lambda named: layers_of(named[0]).start)


def stack_of(path: str) -> str:
    """`encoder.layers.0-11` of a parameter in it; "" for a parameter that is an array of its own."""
    match = STACKED.match(path)
    return match[0].removesuffix(".") if match else ""


def single_paths(path: str) -> list[str]:
    """The path of each layer's part, bottom layer first; of a parameter that is no stack, its own."""
    match = STACKED.match(path)
    if not match:
        return [path]
    return [f"{match[1]}.{number}.{path[match.end() :]}" for number in range(int(match[2]), int(match[3]) + 1)]


def arranged(params: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """`params` stacked as `paths` are; what `paths` do not know is one array for each layer."""
    wanted = {path: single_paths(path) for path in paths if path not in params}
    kept = set(paths) & set(params)
    single = {
        name: part
        for path, value in params.items()
        if path not in kept
        for name, part in zip(single_paths(path), value if stack_of(path) else [value], strict=True)
    }
    stacked = {
        path: jnp.stack([single[name] for name in names])
        for path, names in wanted.items()
        if stack_of(path) and all(name in single for name in names)
    }
    used = {name for path in stacked for name in wanted[path]}
    return {path: params[path] for path in kept} | stacked | {n: part for n, part in single.items() if n not in used}


def write_out(model: nnx.Module) -> nnx.Module:
    """`model` with a module for each layer in place of its stacks: for whoever looks inside. Changed in place."""
    for _, module in nnx.iter_graph(model):
        for name, value in list(vars(module).items()) if isinstance(module, nnx.Module) else []:
            if isinstance(value, nnx.Dict) and all(STACKED.match(f"layers.{key}") for key in value):
                setattr(
                    module, name, nnx.List([layer for _, stack in bottom_first(value) for layer in taken_apart(stack)])
                )
    return model


def taken_apart(stack: nnx.Module) -> list[nnx.Module]:
    """A module for each layer of a stack, bottom layer first."""
    graph, state = nnx.split(stack)
    depth = len(jax.tree.leaves(state)[0])
    return [nnx.merge(graph, jax.tree.map(lambda array: array[number], state)) for number in range(depth)]  # noqa: B023
