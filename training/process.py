"""What a process does before it builds anything."""

import logging
import os
import sys
from typing import Any

import jax

from training import cluster
from training.host_memory import keep_pages


def prepare(config: Any) -> None:
    """Memory, logging, compilation cache, and the other processes; before any device is asked for.

    Raises:
      InputError: as `cluster.join`.
    """
    if config.keep_pages:
        keep_pages()
    cluster.join(config)
    told = sys.stderr if config.mode == "talk" else sys.stdout  # which in mode=talk has replies and nothing else
    logging.basicConfig(format="%(message)s", stream=told, force=True)  # a library has set its own
    logging.raiseExceptions = False  # a reader who went away is told once, by train.py
    # What "auto" chose is told; what Orbax tells of each checkpoint, and of each error beside raising it, is not.
    for name, level in (("ops", logging.INFO), ("absl", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    if config.compilation_cache:
        jax.config.update("jax_compilation_cache_dir", os.path.expanduser(config.compilation_cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
