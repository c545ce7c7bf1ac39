"""Attention cores in JAX, for worker.py: ours, the prototype, and dense attention over all pairs."""

from collections.abc import Callable
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.attention.cases import Case, inputs, places
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


class JaxPeer:
    """Compiled when first asked; each call of `forward` or `step` (forward and backward) waits for its results."""

    def __init__(self, case: Case, peer: str):
        if case.device == "gpu" and jax.default_backend() != "gpu":
            raise RuntimeError("JAX sees no GPU")
        self._case, self._core = case, core(case, peer)
        self._inputs = tuple(jax.device_put(x.astype(case.dtype)) for x in inputs(case))
        self._factors = tuple(jnp.ones((case.product, case.product), case.dtype) for _ in range(2))
        self._product = jax.jit(jnp.matmul)

    @cached_property
    def _forward(self):
        return jax.jit(self._core).lower(*self._inputs[:3]).compile()

    @cached_property
    def _step(self):
        def step(q, k, v, up):
            out, pull = jax.vjp(self._core, q, k, v)
            return out, *pull(up)

        return jax.jit(step).lower(*self._inputs).compile()

    def forward(self) -> None:
        self._wait(self._forward, self._inputs[:3])

    def step(self) -> None:
        self._wait(self._step, self._inputs)

    def matmul(self) -> None:
        jax.block_until_ready(self._product(*self._factors))

    def memory(self) -> dict[str, int]:
        """What the compiler plans for forward and backward, beside arguments and results."""
        return {"temporary_bytes": self._step.memory_analysis().temp_size_in_bytes}

    def results(self) -> list[np.ndarray]:
        """The output and the gradients of q, k and v, at the compared places."""
        at = places(self._case)
        return [np.asarray(x.reshape(-1)[at], np.float32) for x in self._step(*self._inputs)]

    def _wait(self, work: Callable, arguments: tuple[jax.Array, ...]) -> None:
        for _ in range(self._case.calls):
            result = work(*arguments)
        jax.block_until_ready(result)
