"""Writing checkpoints with Orbax: what is saved, and which are kept. Reading them back is training/restore.py."""

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import PreservationPolicy

from errors import InputError
from training.about import About, add_scores, describe_with_digests, from_best_to_worst
from training.damage import without_echoes
from training.restore import DAMAGED, items_of, stored_scores
from training.state import TrainState


class Checkpoints:
    """The checkpoints of one work directory, written in the background, each by one atomic rename.

    The items of a checkpoint are `params` (flat, by dotted path), `ema` (likewise, where averages are kept), `rest`
    (optimizer state, key, step, tally, guard) and `about` (JSON: step, identity of the data, validation scores, a
    digest of each array, a checksum of itself).
    """

    def __init__(self, directory: Path, *, keep: int, best: str):
        self._directory = directory
        self._hushed = contextlib.ExitStack()
        self._hushed.enter_context(without_echoes())
        self._policy = _NewestAndBest(keep, best, stored_scores(directory))
        directory.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=self._policy,
                cleanup_tmp_directories=True,
                lightweight_initialize=True,  # reads only the names of what is there, of which some may be damaged
                create=False,
                multiprocessing_options=_all_processes(),
            ),
        )

    def save(self, state: TrainState, *, step: int, identity: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Starts saving and returns; the arrays may be donated at once. `scores`: of this very step, or empty.

        The caller waits for the step that computes `state`, for the digests (0.05 s for 108 M float32 on two cores)
        and for Orbax to copy the arrays from the devices, not for the disk.
        """
        items = items_of(state)
        about = About(step, dict(identity), dict(scores), describe_with_digests(items))
        self._policy.scores[step] = about.scores
        started = self._manager.save(
            step,
            args=ocp.args.Composite(
                about=ocp.args.JsonSave(about.to_json()),
                **{name: ocp.args.StandardSave(item) for name, item in items.items()},
            ),
        )
        if not started:
            raise RuntimeError(f"Orbax has not saved step {step}: it knows of a later one")

    def add_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Gives a finished checkpoint the scores for which there was no time when it was saved."""
        self._policy.scores[step] = scores
        add_scores(self._directory, step, scores)

    def wait(self) -> None:
        self._manager.wait_until_finished()

    def close(self) -> None:
        with self._hushed:
            self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits for what is being saved; not after a failure among several processes, who would not come to it."""
        failed = kind is not None and issubclass(kind, Exception)
        if not (failed and jax.process_count() > 1):
            self.close()


@dataclasses.dataclass
class _NewestAndBest(PreservationPolicy):
    """Orbax's own policies forget at a restart which checkpoint was the best; this one is given what `about` says.

    It is asked when a save begins; what it gives up is deleted after that save has been committed.
    """

    keep: int
    best: str
    scores: dict[int, Mapping[str, float]]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        scored = {step: self.scores[step] for step in steps if self.best in self.scores.get(step, ())}
        kept = {*steps[-self.keep :], *from_best_to_worst(scored, best=self.best)[:1]}
        return [step in kept for step in steps]


def _all_processes() -> ocp.options.MultiprocessingOptions:
    """Named one by one, processes wait for each other by messages; else by sums over devices, in the steps' way."""
    several = set(range(jax.process_count())) if jax.process_count() > 1 else None
    return ocp.options.MultiprocessingOptions(active_processes=several)


def check_disk_space(directory: Path, state: Any, *, checkpoints: int) -> None:
    """Raises InputError when the disk cannot hold `checkpoints` copies of `state`; run before anything is compiled.

    What the run's own checkpoints, finished or not, take up now counts as free: saving deletes the older ones.
    """
    need = checkpoints * sum(
        leaf.size * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(state) if leaf.dtype != _key_type(leaf)
    )
    free = shutil.disk_usage(directory).free
    if free < need and free + _bytes_of(directory / "checkpoints") < need:
        raise InputError(
            f"the disk of {directory} has {free / 1e6:,.0f} MB free and {checkpoints} checkpoints of this model need "
            f"{need / 1e6:,.0f} MB; free some space, choose another workdir, or lower checkpoint.keep"
        )


def _bytes_of(directory: Path) -> int:
    files = (path for path in directory.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if DAMAGED not in path.parts)


def _key_type(leaf: Any) -> Any:
    return leaf.dtype if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else None
