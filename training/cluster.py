"""Several processes that run as one: how they find each other, who goes first, and what they must agree on."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from errors import InputError

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def join(config: Any) -> None:
    """Makes this process one of those that `config.cluster` names; to be called before any device is asked for.

    From then on only the first of them speaks on standard output.

    Raises:
      InputError: nothing tells who the others are, they do not come, or they run another config or other packages.
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
        raise InputError(
            f"cluster.address={settings.address!r} (process {settings.process} of {settings.processes}): the processes "
            f"did not find each other: {why}"
        ) from error
    if not leads():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (until the process ends)
    _check_alike(config)


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


def _check_alike(config: Any) -> None:
    values = {key: value for key, value in config.to_dict().items() if key != "cluster"}
    versions = {name: metadata.version(name) for name in PACKAGES}
    for what, value in (("config", values), ("package versions", versions)):
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
        everyone = multihost_utils.process_allgather(np.frombuffer(digest, np.uint32))
        others = np.flatnonzero((everyone != everyone[0]).any(1)).tolist()
        if others:
            raise InputError(
                f"cluster: the {what} of process {others[0]} differs from that of process 0; make them the same"
            )
