"""The programs that can attend within a band: one per kind of machine, all with the values of `window_blocks`.

A backend is a function `(band, q, k, v, slot_k, slot_v, sight) -> out` with first derivatives; see
`window_blocks.attend_in_blocks`, which states the meaning and runs everywhere.
"""

from collections.abc import Callable

from errors import InputError
from ops.window_blocks import attend_in_blocks

BACKENDS: dict[str, Callable] = {"xla": attend_in_blocks}


def backend(implementation: str) -> Callable:
    """The program of that name; "auto" is "xla" everywhere until another is measured to be faster.

    Raises:
      InputError: for an unknown name.
    """
    name = "xla" if implementation == "auto" else implementation
    if name not in BACKENDS:
        raise InputError(f"implementation={implementation!r} is not one of auto, {', '.join(BACKENDS)}.")
    return BACKENDS[name]
