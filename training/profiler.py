"""A trace of chosen steps, for TensorBoard's profiler or Perfetto."""

from pathlib import Path
from typing import Any

import jax

from errors import InputError


def profiled_steps(config: Any) -> range:
    """The steps that `log.profile` names, from the first to the last.

    Raises:
      InputError: it is not such a pair.
    """
    chosen = tuple(config.log.profile)
    whole = all(isinstance(step, int) and not isinstance(step, bool) for step in chosen)
    if chosen and (len(chosen) != 2 or not whole or not 1 <= chosen[0] <= chosen[1]):
        raise InputError(f"log.profile={chosen} is not a first and a last step, such as (20, 24), or () for none")
    return range(chosen[0], chosen[1] + 1) if chosen else range(0)


class Profiler:
    """Writes `profile/` of a work directory. A run that begins within the steps traces those that are left."""

    def __init__(self, directory: Path, steps: range):
        self._directory, self._steps, self._on = directory / "profile", steps, False

    def before(self, step: int) -> None:
        if step in self._steps and not self._on:
            jax.profiler.start_trace(str(self._directory))
            self._on = True

    def after(self, step: int, state: Any) -> None:
        if self._on and step == self._steps[-1]:
            jax.block_until_ready(state)
            self.stop()

    def stop(self) -> None:
        """Ends a trace that is under way, also one that the run does not finish."""
        if self._on:
            jax.profiler.stop_trace()
            self._on = False
