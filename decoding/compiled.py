"""How a program that writes is compiled."""

import jax


def compiler_options() -> dict[str, str] | None:
    """Of `jax.jit`. XLA for CPUs works on 256 bits at once where a processor has 512, unless it is told otherwise.

    A step of one row of GPT-2's sizes took 2 to 5 % less with 512; products of many rows take as long with either.
    """
    return {"xla_cpu_prefer_vector_width": "512"} if jax.default_backend() == "cpu" else None
