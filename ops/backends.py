"""The programs that can attend within a band: one per kind of machine, all with the values of `window_blocks`.

A backend is a function `(band, q, k, v, slot_k, slot_v, sight) -> out` with first derivatives; see
`window_blocks.attend_in_blocks`, which states the meaning and runs everywhere.
"""

from collections.abc import Callable

import jax

from errors import InputError
from ops.window_blocks import attend_in_blocks
from ops.window_triton import attend_by_triton, attend_by_triton_interpreted

BACKENDS: dict[str, Callable] = {
    "xla": attend_in_blocks,
    "triton": attend_by_triton,
    "triton_interpreted": attend_by_triton_interpreted,  # on any machine, slowly: for tests
}
NEEDS = {"triton": "gpu"}


def backend(implementation: str) -> Callable:
    """The program of that name; "auto" is "xla" everywhere until another is measured to be faster.

    Raises:
      InputError: for an unknown name, or one that cannot run on this machine: nothing else is taken in its stead.
    """
    name = "xla" if implementation == "auto" else implementation
    if name not in BACKENDS:
        raise InputError(f"implementation={implementation!r} is not one of auto, {', '.join(BACKENDS)}.")
    if (needed := NEEDS.get(name)) and jax.default_backend() != needed:
        raise InputError(
            f"implementation={name!r} needs a {needed.upper()}, and JAX computes on {jax.default_backend()} here; "
            "choose auto."
        )
    return BACKENDS[name]
