"""The programs that can attend within a band: one per kind of machine, all with the values of `window_blocks`.

A backend is a function `(band, q, k, v, slot_k, slot_v, sight) -> out` with first derivatives; see
`window_blocks.attend_in_blocks`, which states the meaning and runs everywhere.
"""

import logging
from collections.abc import Callable
from functools import cache, partial

import jax

from errors import InputError
from ops.window_blocks import attend_in_blocks
from ops.window_tpu import attend_by_tpu
from ops.window_triton import attend_by_triton

BACKENDS: dict[str, Callable] = {
    "xla": attend_in_blocks,
    "triton": partial(attend_by_triton, False),
    "triton_interpreted": partial(attend_by_triton, True),  # on any machine, slowly: for tests
    "tpu": partial(attend_by_tpu, False),
    "tpu_interpreted": partial(attend_by_tpu, True),
}
NEEDS = {"triton": "gpu", "tpu": "tpu"}


def backend(implementation: str) -> Callable:
    """The program of that name; "auto" is "xla" everywhere until another is measured to be faster, and is logged.

    Raises:
      InputError: for an unknown name, or one that cannot run on this machine: nothing else is taken in its stead.
    """
    name = _chosen() if implementation == "auto" else implementation
    if name not in BACKENDS:
        raise InputError(f"implementation={implementation!r} is not one of auto, {', '.join(BACKENDS)}.")
    if (needed := NEEDS.get(name)) and jax.default_backend() != needed:
        raise InputError(
            f"implementation={name!r} needs a {needed.upper()}, and JAX computes on {jax.default_backend()} here; "
            "choose auto."
        )
    return BACKENDS[name]


@cache
def _chosen() -> str:
    """What "auto" stands for on this machine; told once."""
    logging.getLogger(__name__).info("window attention: implementation=auto is xla on %s", jax.default_backend())
    return "xla"
