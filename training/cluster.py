"""Several processes that run as one: how they find each other, who goes first, and what they must agree on."""

import contextlib
import hashlib
import json
import os
import platform
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from errors import ApartError, InputError

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("ops", "data", "metrics", "models", "pretrained", "decoding", "tasks", "training")
HOST_BYTES = 32  # of a host's name that are told
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def join(config: Any) -> None:
    """Makes this process one of those that `config.cluster` names; to be called before any device is asked for.

    From then on only the first of them speaks on standard output.

    Raises:
      InputError: nothing tells who the others are, they do not come, or they differ in devices, config,
        packages or code.
    """
    settings = config.cluster
    if not settings.address:
        return
    try:
        if settings.address == "auto":
            jax.distributed.initialize(initialization_timeout=settings.timeout)
        else:
            jax.distributed.initialize(
                settings.address, settings.processes, settings.process, initialization_timeout=settings.timeout
            )
    except (RuntimeError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise (ApartError if isinstance(error, RuntimeError) else InputError)(
            f"cluster.address={settings.address!r} (process {settings.process} of {settings.processes}): the processes "
            f"did not find each other: {why}"
        ) from error
    _take_whole_machine()
    if config.mode != "train":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX's own listener would wait for a step to be asked about
    if not leads():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (until the process ends)
    _check_processes(config)


def _take_whole_machine() -> None:
    """Under SLURM JAX gives a process the one GPU of its own number; the only process of a machine has them all."""
    tasks, machines = (os.environ.get(f"SLURM_STEP_NUM_{what}") for what in ("TASKS", "NODES"))
    if tasks and tasks == machines and "JAX_LOCAL_DEVICE_IDS" not in os.environ:
        for kind in ("cuda", "rocm"):
            jax.config.update(f"jax_{kind}_visible_devices", "all")


def leads() -> bool:
    """Whether this is the process that writes what is written once."""
    return jax.process_index() == 0


@contextlib.contextmanager
def leader_first(what: str) -> Iterator[None]:
    """The first process goes through alone, then all others: they find what it has written."""
    if jax.process_count() > 1 and not leads():
        multihost_utils.sync_global_devices(what)
    yield
    if jax.process_count() > 1 and leads():
        multihost_utils.sync_global_devices(what)


def any_of_us(here: bool) -> bool:
    """Whether it is true of any process. All must ask together."""
    if jax.process_count() == 1:
        return here
    return bool(multihost_utils.process_allgather(np.asarray(here)).any())


def check_alike(what: str, value: Any, remedy: str) -> None:
    """Refuses to go on unless `value` (of JSON) is the same in all processes. All must ask together.

    Raises:
      InputError: naming the processes and hosts that differ from the first, and the remedy.
    """
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    host = socket.gethostname().encode()[:HOST_BYTES].ljust(HOST_BYTES, b"\0")
    told = multihost_utils.process_allgather(np.frombuffer(digest + host, np.uint8))
    others = np.flatnonzero((told[:, : len(digest)] != told[0, : len(digest)]).any(1))
    if len(others):
        hosts = (told[at, len(digest) :].tobytes().rstrip(b"\0").decode(errors="replace") for at in others[:4])
        named = ", ".join(f"{at} (on {name})" for at, name in zip(others.tolist(), hosts, strict=False))
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        raise InputError(f"cluster: the {what} of process {named}{more} differs from that of process 0: {remedy}")


def check_data_alike(task: Any) -> None:
    """As `check_alike`, of the `identity` of a task: the digest of what it trains on, which takes time to tell."""
    if jax.process_count() > 1:
        check_alike("training data", dict(task.identity), "give every host the same files")


def _check_processes(config: Any) -> None:
    """What can be compared before anything is read."""
    devices = Counter((device.process_index, device.device_kind) for device in jax.devices())
    if len({kind for _, kind in devices}) > 1 or len(set(devices.values())) > 1:
        each = ", ".join(f"process {at} has {count} x {kind}" for (at, kind), count in sorted(devices.items())[:4])
        raise InputError(f"cluster: each process should have as many devices of one kind: {each}")
    values = {key: value for key, value in config.to_dict().items() if key != "cluster"}
    check_alike("config", values, "start all of them with the same command")
    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    check_alike("package versions", versions, "install the same requirements.txt on every host")
    check_alike("code", _source_digests(), "check out the same commit on every host")


def _source_digests() -> dict[str, str]:
    """Of every Python file that a run may import, whether git knows it or not; the config is compared by its values."""
    files = [*ROOT.glob("*.py"), *(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
