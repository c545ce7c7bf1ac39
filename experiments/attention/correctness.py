"""Another program of the sliding window against the one in XLA, values and gradients, on the device that is there."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ops.global_tokens import find_global_tokens, take_rows
from ops.longformer import longformer_attention
from ops.masks import token_groups
from ops.sliding_window import sliding_window_attention
from ops.window import Window


@dataclass(frozen=True)
class Shape:
    """Two rows of `length` tokens, `real` of them no padding, in `segments` documents with `slots` global tokens."""

    name: str
    length: int
    window: Window
    slots: int = 0
    real: float = 1.0
    segments: int = 1
    dropout: float = 0.0
    heads: int = 4
    head_width: int = 64


SHAPES = (
    Shape("plain", 2048, Window(256)),
    Shape("padding, segments, global tokens", 1000, Window(100), slots=4, real=0.9, segments=3),
    Shape("dropout, global tokens", 1024, Window(128), slots=2, dropout=0.1),
    Shape("causal, global tokens", 777, Window(64, causal=True), slots=4),
    Shape("widths and dilations per head, dropout", 1024, Window((32, 64, 32, 64), (1, 2, 4, 1)), slots=2, dropout=0.1),
    Shape("heads of 80", 640, Window(256), head_width=80),
    Shape("row shorter than its window", 40, Window(64), slots=40),
)
SMOKE = tuple(dataclasses.replace(shape, length=64, head_width=16) for shape in (SHAPES[1], SHAPES[4]))

# Type of the inputs and precision of float32 products ("default" lets an accelerator round off their factors), and how
# much of the largest number a right program may be off by.
TYPES = {("float32", "highest"): 2e-5, ("float32", "default"): 1e-2, ("bfloat16", "default"): 3e-2}


def measure(shape: Shape, implementation: str) -> dict[str, Any]:
    """For each type the largest errors, as shares of the largest number, of "xla" and `implementation`.

    What is right is told by "xla" on the same numbers in float32 with exact products.
    """
    structure, arrays = _scene(shape)
    runs = {name: _program(shape, name) for name in ("xla", implementation)}
    told = []
    for (dtype, precision), tolerance in TYPES.items():
        given = [jnp.asarray(x).astype(dtype) for x in arrays]
        right = runs["xla"](structure, [x.astype("float32") for x in given], "highest")
        for name, run in runs.items():
            errors = _errors(run(structure, given, precision), right)
            agrees = max(errors.values()) < tolerance
            told.append({"dtype": dtype, "precision": precision, "implementation": name} | errors | {"agrees": agrees})
    return {"name": shape.name, "length": shape.length, "errors": told}


def _scene(shape: Shape) -> tuple[tuple[jax.Array, ...], list[np.ndarray]]:
    """Which tokens are global, which real, and their segments; q, k, v, those of global tokens, and a gradient."""
    random, size = np.random.default_rng(0), (2, shape.length)
    real = random.random(size) < shape.real
    is_global = (random.random(size) < 4 * shape.slots / shape.length) & real
    is_global &= np.cumsum(is_global, 1) <= shape.slots
    segment_ids = np.sort(random.integers(1, shape.segments + 1, size))
    arrays = [random.standard_normal((*size, shape.heads, shape.head_width), np.float32) for _ in range(7)]
    return tuple(jnp.asarray(x) for x in (is_global, real, segment_ids)), arrays


def _program(shape: Shape, implementation: str) -> Callable:
    """(structure, arrays, precision) -> the output and the gradients of all inputs."""
    how = {"window": shape.window, "dropout_rate": shape.dropout, "implementation": implementation}
    how["dropout_key"] = jax.random.key(7) if shape.dropout else None

    def attend(structure, q, k, v, q_global, k_global, v_global):
        is_global, real, segment_ids = structure
        groups = token_groups(real.shape, real=real, segment_ids=segment_ids)
        if not shape.slots:
            return sliding_window_attention(q, k, v, groups=groups, **how)
        tokens = find_global_tokens(is_global, shape.slots)
        return longformer_attention(
            (q, k, v), (take_rows(q_global, tokens), k_global, v_global), tokens, groups=groups, **how
        )

    @jax.jit
    def both_ways(structure, arrays):
        out, pull = jax.vjp(lambda *x: attend(structure, *x), *arrays[:6])
        return [out, *pull(arrays[6])]

    def run(structure, arrays, precision):
        with jax.default_matmul_precision(precision):
            return [np.asarray(x, np.float32) for x in both_ways(structure, arrays)]

    return run


def _errors(got: list[np.ndarray], right: list[np.ndarray]) -> dict[str, float]:
    """NaN counts as an error of infinity."""
    each = [
        np.nan_to_num(abs(a - b), nan=np.inf).max() / max(abs(b).max(), 1e-30) for a, b in zip(got, right, strict=True)
    ]
    return {"values": float(each[0]), "gradients": float(max(each[1:]))}
