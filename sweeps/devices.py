"""The devices of this machine, shared out among runs that go side by side.

A run sees its own share and nothing else: GPUs by CUDA_VISIBLE_DEVICES, TPU chips by TPU_VISIBLE_CHIPS with the bounds
that libtpu asks for, processor cores by their affinity. JAX is not asked: it would take hold of every device.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from pathlib import Path

from errors import InputError

BOUNDS = {1: "1,1,1", 2: "1,2,1", 4: "2,2,1", 8: "2,4,1"}  # chips of one process, as libtpu wants them told


@dataclass(frozen=True)
class Share:
    """What one run may use: processor cores (none = all) and variables of its environment."""

    cores: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def shares(at_once: int) -> list[Share]:
    """One for each of `at_once` runs.

    Raises:
      InputError: there are fewer devices than runs, or chips that cannot be shared out evenly.
    """
    if at_once < 1:
        raise InputError(f"--at-once={at_once} must be at least 1")
    if at_once == 1:
        return [Share()]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    gpus, chips = ([], []) if os.environ.get("JAX_PLATFORMS") == "cpu" else (_gpus(), _tpu_chips())
    what, devices = ("GPUs", gpus) if gpus else ("TPU chips", chips) if chips else ("processor cores", cores)
    if len(devices) < at_once:
        raise InputError(f"--at-once={at_once} is more than the {len(devices)} {what} of this machine")
    parts = divided(devices, at_once)
    own_cores = [tuple(map(int, part)) for part in divided(cores, at_once)] if len(cores) >= at_once else [()] * at_once
    if gpus:
        environments = [{"CUDA_VISIBLE_DEVICES": ",".join(part)} for part in parts]
    elif chips:
        environments = [_tpu_environment(part) for part in parts]
    else:
        environments = [{} for _ in parts]
    return [Share(*both) for both in zip(own_cores, environments, strict=True)]


def divided(devices: Sequence, count: int) -> list[list]:
    """In `count` runs of neighbours, as even as can be."""
    ends = [len(devices) * part // count for part in range(count + 1)]
    return [list(devices[start:end]) for start, end in pairwise(ends)]


def _gpus() -> list[str]:
    """The GPUs that may be seen, by CUDA's numbers or names."""
    if (told := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        names = (name.strip() for name in told.split(","))
        return list(takewhile(lambda name: name and not name.startswith("-"), names))  # CUDA stops at one that is none
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


def _tpu_chips(devices: Path = Path("/dev")) -> list[str]:
    """The chips of this machine by their numbers; each is a device file, by either of two drivers."""
    found = [*devices.glob("accel[0-9]*"), *devices.glob("vfio/[0-9]*")]
    return [str(number) for number in range(len(found))]


def _tpu_environment(chips: Sequence[str]) -> dict[str, str]:
    if len(chips) not in BOUNDS:
        raise InputError(
            f"a share of {len(chips)} TPU chips is none of {', '.join(map(str, BOUNDS))}; change --at-once"
        )
    return {
        "TPU_VISIBLE_CHIPS": ",".join(chips),
        "TPU_CHIPS_PER_PROCESS_BOUNDS": BOUNDS[len(chips)],
        "TPU_PROCESS_BOUNDS": "1,1,1",
    }
