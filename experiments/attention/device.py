"""What a measurement asks of the device that JAX computes on: to wait for it, its memory, the rate of its products."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments.attention.cases import PRODUCTS

product = jax.jit(jnp.matmul)


def wait(work: Callable, arguments: tuple[Any, ...], calls: int) -> None:
    """Sends `calls` off and waits until the device has done them all."""
    for _ in range(calls):
        result = work(*arguments)
    jax.block_until_ready(result)


def square_factors(side: int, dtype: str) -> tuple[jax.Array, jax.Array]:
    """Two random matrices: an accelerator may multiply ones or zeros faster."""
    return tuple(jax.random.normal(key, (side, side), dtype) for key in jax.random.split(jax.random.key(0)))


def product_rate(side: int, dtype: str) -> float:
    """FLOP/s of the product of two square matrices; median of five times."""
    factors, seconds = square_factors(side, dtype), []
    for _ in range(6):  # the first one compiles
        began = time.perf_counter()
        wait(product, factors, PRODUCTS)
        seconds.append((time.perf_counter() - began) / PRODUCTS)
    return 2 * side**3 / statistics.median(seconds[1:])


def peak_bytes() -> int | None:
    """Most memory of the device that this process has held at once; None on a processor, which does not tell."""
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def described() -> dict[str, Any]:
    """Kind, name and memory of the first device."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "device": first.device_kind,
        "device_bytes": (first.memory_stats() or {}).get("bytes_limit"),
    }
