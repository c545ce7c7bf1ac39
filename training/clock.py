"""Where the time of a run goes."""

import resource
import sys
import time
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from tasks.task import Batch
from training.chips import chip
from training.mesh import process_share

REAL = ("attention_mask", "decoder_attention_mask")
"""Arrays of a batch that are 1 at real tokens, read and written."""


class Clock:
    """Tokens per second, use of the devices and time spent waiting for data, since the last reading.

    Time in `paused()` (evaluating, saving) is left out. `step_flops` are those that the model needs for one step; `mfu`
    is their share of what the mesh's devices could do at their bfloat16 peak, where that is known (Chowdhery et al.
    2022, appendix B).
    """

    def __init__(self, started: float, mesh: Mesh, *, step_flops: float):
        self._started, self._flops = started, step_flops
        self._chip, self._devices = chip(mesh.devices.flat[0].device_kind), mesh.size
        _, self._parts = process_share(mesh)  # into which a batch is cut, of which this process counts one
        self.restart()

    def restart(self) -> None:
        self._since, self._waited, self._out, self._tokens, self._steps = time.monotonic(), 0.0, 0.0, 0, 0

    def waiting(self) -> "_Stopwatch":
        return _Stopwatch(self, "_waited")

    def paused(self) -> "_Stopwatch":
        return _Stopwatch(self, "_out")

    def count(self, batch: Batch) -> None:
        self._tokens += sum(int(np.sum(batch[name])) for name in REAL if name in batch)
        self._steps += 1

    def read(self) -> dict[str, float]:
        now = time.monotonic()
        spent = max(now - self._since - self._out, 1e-9)
        values = {
            "seconds": time.time() - self._started,
            "steps": self._steps,
            "tokens_per_second": self._tokens * self._parts / spent,
            "step_seconds": spent / max(self._steps, 1),
            "data_wait_share": self._waited / spent,
            "model_tflops_per_second": self._flops * self._steps / spent / 1e12,
        }
        if self._chip:
            values["mfu"] = self._flops * self._steps / spent / (self._chip.flops * self._devices)
        self.restart()
        return values | memory()


def memory() -> dict[str, float]:
    """The largest number of bytes in use so far, in GiB: of this process, and of its fullest device where it tells."""
    unit = 1 if sys.platform == "darwin" else 1024
    values = {"peak_host_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30}
    told: list[Any] = [device.memory_stats() for device in jax.local_devices()]
    peaks = [stats["peak_bytes_in_use"] for stats in told if stats and "peak_bytes_in_use" in stats]
    return values | ({"peak_device_gib": max(peaks) / 2**30} if peaks else {})


class _Stopwatch:
    def __init__(self, clock: Clock, field: str):
        self._clock, self._field = clock, field

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        setattr(self._clock, self._field, getattr(self._clock, self._field) + time.monotonic() - self._began)
