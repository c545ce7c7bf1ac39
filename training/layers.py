"""Which layer a parameter belongs to, told from its dotted path; layers in the order of the forward pass."""

import re
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp

from layer_stacks import single_paths

NUMBERED = re.compile(r"(?:(.*)\.)?layers\.(\d+)\.")


def layer_of(path: str) -> str:
    """`encoder.layers.3`, else the first two parts of a longer path (`encoder.embeddings`), else the first (`head`)."""
    if numbered := NUMBERED.match(path):
        return numbered[0][:-1]
    parts = path.split(".")
    return ".".join(parts[: 2 if len(parts) > 2 and parts[0] != "head" else 1])


def height_of(path: str, depths: Mapping[str, int]) -> int:
    """0 for embeddings, n + 1 for layer n of its stack, and one more than the topmost layer for all else.

    `depths`: number of layers of each stack, from `stack_depths`.
    """
    if numbered := NUMBERED.match(path):
        return int(numbered[2]) + 1
    return 0 if "embeddings" in path.split(".") else max(depths.values(), default=0) + 1


def stack_depths(paths: Iterable[str]) -> dict[str, int]:
    """Number of layers by the path of their stack (`encoder`)."""
    depths: dict[str, int] = {}
    for numbered in filter(None, map(NUMBERED.match, paths)):
        stack = numbered[1] or ""
        depths[stack] = max(depths.get(stack, 0), int(numbered[2]) + 1)
    return depths


def layer_names(paths: Iterable[str]) -> list[str]:
    """Each layer once, from the bottom to the top."""
    singles = [single for path in paths for single in single_paths(path)]
    depths = stack_depths(singles)
    heights = {layer_of(path): height_of(path, depths) for path in singles}
    return sorted(heights, key=lambda name: (heights[name], name))


def layer_norms(values: Mapping[str, jax.Array], names: Iterable[str]) -> jax.Array:
    """Root of the sum of squares of `values` (by parameter path) in each layer of `names`; 0 where it has none."""
    squares = {name: jnp.zeros((), jnp.float32) for name in names}
    for path, value in values.items():
        singles = single_paths(path)
        each = jnp.square(value.astype(jnp.float32)).reshape(len(singles), -1).sum(1)
        for single, square in zip(singles, each, strict=True):
            squares[layer_of(single)] += square
    return jnp.sqrt(jnp.stack(list(squares.values())))
