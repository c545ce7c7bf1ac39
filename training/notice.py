"""The notice that a machine is about to be taken away: SIGTERM, from SLURM, Kubernetes, a spot or a TPU machine."""

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

ECHO_SECONDS = 5.0
STATUS = 128 + signal.SIGTERM  # what shells report of a process that SIGTERM ended


class Notice:
    """Whether the run was asked to end."""

    def __init__(self) -> None:
        self._given_at: float | None = None  # by the clock that does not go back

    def give(self, *_: Any) -> None:
        """A second notice ends the process as it would any other, but for one that comes with the first.

        SLURM sends SIGTERM to every process of a step, and a parent among them passes it on.
        """
        if self._given_at is None:
            self._given_at = time.monotonic()
        elif time.monotonic() - self._given_at > ECHO_SECONDS:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)

    def reached(self, step: int) -> bool:
        """Asked once after each step: whether this is the step to save and leave at, the same on all processes."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self._given_at is not None

    def interrupts(self) -> bool:
        """Whether to break off what can be done again. Never among several processes, which would have to agree."""
        return self._given_at is not None and jax.process_count() == 1


@contextlib.contextmanager
def awaited() -> Iterator[Notice]:
    """Within, SIGTERM sets the notice instead of ending the process. JAX itself listens where processes are several."""
    notice = Notice()
    if jax.process_count() > 1:
        yield notice
        return
    before = signal.signal(signal.SIGTERM, notice.give)
    try:
        yield notice
    finally:
        signal.signal(signal.SIGTERM, before)
