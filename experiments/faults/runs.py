"""The small run of this study: its command, its state read back as bytes, and whether two runs have ended alike."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

import train
from configs import command_line
from experiments.machine import ROOT
from training import loop
from training.about import read_about
from training.digest import by_path
from training.mesh import make_mesh
from training.optimizer import make_optimizer, make_schedule
from training.restore import restore_best, restore_newest
from training.state import TrainState

RECIPE = "experiments/faults/recipe.py"
Values = dict[str, bytes]
"""Every array of a state by its path."""

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "tensorstore", "numpy")


def arguments(workdir: Path, *overrides: str) -> list[str]:
    flags = [f"--config={RECIPE}", f"--config.workdir={workdir}"]
    return ["train.py", *flags, *(f"--config.{override}" for override in overrides)]


def start(argv: list[str], log: Path) -> subprocess.Popen:
    """Starts train.py; what it says goes to the end of `log`."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    with open(log, "a", encoding="utf-8") as file:
        return subprocess.Popen([sys.executable, *argv], cwd=ROOT, env=environment, stdout=file, stderr=file)


def finish(argv: list[str], log: Path) -> str:
    """Runs train.py to its end; returns what it said."""
    before = log.stat().st_size if log.exists() else 0
    status = start(argv, log).wait()
    said = log.read_bytes()[before:].decode(errors="replace")
    if status:
        raise RuntimeError(f"{' '.join(argv)} ended with status {status}:\n{said}")
    return said


class Reader:
    """Restores checkpoints of a run as resuming and evaluating it do."""

    def __init__(self, argv: list[str], workdir: Path):
        config = command_line.parse(argv)
        self._run = train.build(config, workdir, make_mesh(config.mesh), None)
        self._best = config.checkpoint.best
        schedule = make_schedule(config.optimizer, steps=config.train.steps)
        start_state = loop.starter(self._run, make_optimizer(config.optimizer, schedule))
        self._like = jax.eval_shape(start_state, jax.random.key(config.seed), {})
        self._mesh = self._run.mesh

    def resumed(self, checkpoints: Path) -> tuple[Values, int]:
        """Everything that a resumed run takes from its checkpoints, and the step it goes on from."""
        identity = dict(self._run.task.identity)
        restored = restore_newest(checkpoints, self._like, self._mesh, identity=identity, verify=True)
        return as_bytes(restored.state), restored.step

    def evaluated(self, checkpoints: Path) -> tuple[Values, int]:
        """The weights that an evaluation takes, and their step."""
        weights, step = restore_best(checkpoints, self._mesh, best=self._best, verify=True)
        return as_bytes(weights), step


def as_bytes(state: TrainState | dict) -> Values:
    """A typed key as its data."""
    return {path: _plain(leaf).tobytes() for path, leaf in by_path(state).items()}


def _plain(leaf: jax.Array) -> np.ndarray:
    typed = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if typed else leaf)


def differences(reader: Reader, one: Path, other: Path) -> Iterator[str]:
    """What differs between the ends of two runs: nothing, if the second was only interrupted."""
    (left, left_step), (right, right_step) = (reader.resumed(run / "checkpoints") for run in (one, other))
    if left_step != right_step:
        yield f"step {left_step} and {right_step}"
    yield from (path for path in sorted(left.keys() | right.keys()) if left.get(path) != right.get(path))
    abouts = [read_about(run / "checkpoints", step) for run, step in ((one, left_step), (other, right_step))]
    if abouts[0] != abouts[1]:
        yield "about"
    for name in ("metrics.jsonl", "tokenizer/tokenizer.json"):
        if (one / name).read_bytes() != (other / name).read_bytes():
            yield name
