"""What a measurement was made on: commit, package versions, processor. Never the host's name."""

import os
import platform
import shlex
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from training.machine import checkout, cpu

ROOT = Path(__file__).resolve().parents[1]


def commit() -> str:
    """The checkout's commit, with "+changes" if any tracked file differs from it; "unknown" outside a checkout."""
    head, changed = checkout()
    return head + ("+changes" if changed and head != "unknown" else "")


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Python's version and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provenance(command: str, packages: Iterable[str]) -> dict[str, Any]:
    """What a file of raw results says of itself; `command` is what stands before the arguments of this process."""
    return {
        "command": " ".join([command, shlex.join(sys.argv[1:])]).strip(),
        "commit": commit(),
        "versions": versions(packages),
        "cpu": cpu(),
        "cores": cores(),
    } | {name: os.environ[name] for name in ("GLIBC_TUNABLES", "XLA_FLAGS") if os.environ.get(name)}
