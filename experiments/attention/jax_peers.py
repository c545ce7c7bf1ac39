"""Attention cores in JAX, for worker.py: ours, the prototype, and dense attention over all pairs."""

from collections.abc import Callable
from functools import cached_property, partial

import jax
import numpy as np

from experiments.attention.cases import HEAD_WIDTH, HEADS, PRODUCTS, Case, inputs, places
from experiments.attention.device import peak_bytes, product, square_factors, wait
from experiments.attention.prototype import prototype
from ops.attention import dot_product_attention
from ops.sliding_window import sliding_window_attention


def core(case: Case, peer: str) -> Callable:
    """`peer` is "ours", "ours IMPLEMENTATION", "prototype" or "dense"."""
    kind, *options = peer.split()
    if kind == "prototype":
        return partial(prototype, window=case.window)
    if kind == "dense":
        return dot_product_attention
    return partial(sliding_window_attention, window=case.window, implementation=options[0] if options else "auto")


def planned_bytes(case: Case, peer: str) -> int:
    """What the compiler plans for forward and backward, beside arguments and results; nothing is run."""
    like = jax.ShapeDtypeStruct((case.rows, case.length, HEADS, HEAD_WIDTH), case.dtype)
    return _both_ways(core(case, peer)).lower(*[like] * 4).compile().memory_analysis().temp_size_in_bytes


def _both_ways(attend: Callable) -> Callable:
    """(q, k, v, gradient) -> the output and the gradients of q, k and v."""

    @jax.jit
    def step(q, k, v, up):
        out, pull = jax.vjp(attend, q, k, v)
        return out, *pull(up)

    return step


class JaxPeer:
    """Compiled when first asked; each call of `forward` or `step` (forward and backward) waits for its results."""

    def __init__(self, case: Case, peer: str):
        if case.device == "gpu" and jax.default_backend() != "gpu":
            raise RuntimeError("JAX sees no GPU")
        self._case, self._core = case, core(case, peer)
        self._inputs = tuple(jax.device_put(x.astype(case.dtype)) for x in inputs(case))

    @cached_property
    def _forward(self):
        return jax.jit(self._core).lower(*self._inputs[:3]).compile()

    @cached_property
    def _step(self):
        return _both_ways(self._core).lower(*self._inputs).compile()

    @cached_property
    def _factors(self):
        return square_factors(self._case.product, self._case.dtype)

    def forward(self) -> None:
        wait(self._forward, self._inputs[:3], self._case.calls)

    def step(self) -> None:
        wait(self._step, self._inputs, self._case.calls)

    def matmul(self) -> None:
        wait(product, self._factors, PRODUCTS)

    def device_peak_bytes(self) -> int:
        return peak_bytes()

    def results(self) -> list[np.ndarray]:
        """The output and the gradients of q, k and v, at the compared places."""
        at = places(self._case)
        return [np.asarray(x.reshape(-1)[at], np.float32) for x in self._step(*self._inputs)]
