"""Memory and time of training steps of many shapes: those that prices are fitted to, and others that are withheld."""

import dataclasses
import functools
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from configs.sizes import SIZES
from data.masking import predictions_per_row
from experiments.costs.terms import terms
from experiments.sizes.measure import MASKED, Built, batch_of_one, build, model_config
from models.config import TransformerConfig
from models.cost import step_flops

MODELS = ("transformer", "longformer")
WIDTHS = (128, 256, 384)  # numbers; a head has 64 of them
DEPTHS = (2, 4, 6, 8)  # layers
LENGTHS = (256, 512, 1024, 2048, 4096)  # tokens
ROWS = (1, 2, 4, 8)
WINDOWS = (32, 64, 128)  # tokens, one-sided
VOCABULARIES = (1024, 8192, 32_768)  # entries
HEAD = 64
ENOUGH, LEAST_STEPS, MOST_STEPS = 6.0, 4, 21  # seconds of steps after which no further one is taken; steps
SHARE = 0.25  # of a step's seconds that the program beside it takes at least
LARGEST, SMALLEST = 4e11, 1e10  # operations of a step: some seconds of a laptop's core, and enough to be timed


@dataclass(frozen=True)
class Shape:
    """Of a masked LM and its batch; a Transformer's window is 0."""

    model: str
    width: int
    depth: int
    length: int
    rows: int
    window: int
    vocabulary: int

    @property
    def config(self) -> TransformerConfig:
        return dataclasses.replace(
            model_config(self.model, "small", self.length),
            width=self.width,
            depth=self.depth,
            heads=self.width // HEAD,
            mlp_width=4 * self.width,
            vocab_size=self.vocabulary,
            **({"windows": (self.window,), "dilations": (1,)} if self.window else {}),
        )

    @property
    def flops(self) -> int:
        """Operations of a step, with those pairs of tokens alone that attention needs."""
        return step_flops(self.config, **self._batch, global_tokens=self.has_global)

    def terms(self, parameters: int) -> dict[str, float]:
        return terms(self.config, **self._batch, global_tokens=int(self.has_global), parameters=parameters)

    @property
    def has_global(self) -> bool:
        return self.model == "longformer"

    @property
    def _batch(self) -> dict[str, int]:
        return {"rows": self.rows, "length": self.length, "predicted": predictions_per_row(MASKED, self.length)}


def drawn(model: str, count: int, *, seed: int) -> list[Shape]:
    """`count` shapes of the grid above whose step costs between SMALLEST and LARGEST operations, none twice."""
    found: dict[Shape, None] = {}
    shapes = _shapes(model, random.Random(seed))
    while len(found) < count:
        found[next(shapes)] = None
    return list(found)


def _shapes(model: str, dice: random.Random) -> Iterator[Shape]:
    windows = WINDOWS if model == "longformer" else (0,)
    choices = (WIDTHS, DEPTHS, LENGTHS, ROWS, windows, VOCABULARIES)
    while True:
        shape = Shape(model, *(dice.choice(choice) for choice in choices))
        if SMALLEST <= shape.flops <= LARGEST:
            yield shape


def published(model: str, length: int) -> Shape:
    """The base size at batch 1: no net of the grid is as wide or as deep, and none has as many words."""
    base = SIZES["base"]
    window = 256 if model == "longformer" else 0
    return Shape(model, base["width"], base["depth"], length, rows=1, window=window, vocabulary=50_265)


def measured(shape: Shape) -> dict[str, Any]:
    """The shape, its parameters, what the compiled step holds at once in bytes, and the mean seconds of a few steps.

    `beside`: mean seconds of a program that is always the same, run between the steps, for a quarter of their time or
    longer, which tells how fast the machine was meanwhile: one that is shared changes within seconds.
    """
    built = _built(shape)
    seconds, beside = _in_turn(built)
    cost = {"parameters": built.parameters, "bytes": built.peak_bytes, "seconds": seconds}
    return dataclasses.asdict(shape) | cost | {"beside": beside}


def _in_turn(built: Built) -> tuple[float, float]:
    program, arrays = _program()
    state, steps, others = built.start(), [], []
    while len(steps) < LEAST_STEPS or (sum(steps[1:]) < ENOUGH and len(steps) < MOST_STEPS):  # the first is a warm-up
        state, seconds = _clocked(built.step, state, built.batch)  # the state is donated
        steps.append(seconds)
        others.append([])
        while sum(others[-1]) < SHARE * seconds:
            others[-1].append(_clocked(program, *arrays)[1])
    return statistics.mean(steps[1:]), statistics.mean(itertools.chain(*others[1:]))


def _clocked(function: Callable[..., Any], *inputs: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    out = jax.block_until_ready(function(*inputs))
    return out, time.perf_counter() - began


@functools.cache  # further rounds of a shape take no compiling
def _built(shape: Shape) -> Built:
    one = batch_of_one(shape.config, shape.length, with_global=shape.has_global)
    batch = {name: array.repeat(shape.rows, axis=0) for name, array in one.items()}
    return build(shape.model, shape.config, batch)


@functools.cache
def _program() -> tuple[Any, tuple[jax.Array, ...]]:
    """Products, and passes over more numbers than a cache holds; and its arrays."""

    def run(a, b, numbers):
        for _ in range(4):
            a = jnp.tanh(a @ b @ b.T) / 8
            numbers = jax.lax.optimization_barrier(numbers * 0.5 + 1)
        return a.sum() + numbers.sum()

    arrays = jnp.ones((512, 768)), jnp.ones((768, 3072)) / 3072, jnp.ones(2**26)
    return jax.jit(run).lower(*arrays).compile(), arrays
