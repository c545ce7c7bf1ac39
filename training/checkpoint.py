"""Orbax behind a thin face: what is saved, which checkpoints are kept, which one is the best."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import NamedSharding
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from errors import InputError
from training.state import TrainState

LOWER_IS_BETTER = ("loss", "perplexity")


class Checkpoints:
    """The checkpoints of one work directory, written in the background, each by one atomic rename.

    A checkpoint has three items: `params` (flat, by dotted path), `rest` (optimizer state, key, step, tally) and
    `about` (JSON: step, the identity of the data, validation scores).
    """

    def __init__(self, directory: Path, *, keep: int, best: str, read_only: bool = False):
        self._directory = directory
        self._best = best
        self._sign = -1.0 if best in LOWER_IS_BETTER else 1.0
        policy = AnyPreservationPolicy(
            [LatestN(keep), BestN(get_metric_fn=self._quality, n=1, keep_checkpoints_without_metrics=False)]
        )
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            item_handlers={  # named, so that a process that has saved nothing can read the shapes too
                "params": ocp.StandardCheckpointHandler(),
                "rest": ocp.StandardCheckpointHandler(),
                "about": ocp.JsonCheckpointHandler(),
            },
            options=ocp.CheckpointManagerOptions(
                preservation_policy=None if read_only else policy,
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                read_only=read_only,
            ),
        )

    def _quality(self, scores: Mapping[str, float]) -> float:
        return self._sign * scores[self._best]

    def save(self, state: TrainState, *, step: int, identity: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Starts saving and returns; the arrays may be donated at once. `scores`: of this very step, or empty."""
        rest = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name != "params"}
        about = {"step": step, "identity": dict(identity), "scores": dict(scores)}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(state.params),
                rest=ocp.args.StandardSave(rest),
                about=ocp.args.JsonSave(about),
            ),
            metrics=dict(scores) or None,
        )

    def wait(self) -> None:
        self._manager.wait_until_finished()

    def close(self) -> None:
        self._manager.close()

    def latest(self) -> int | None:
        return self._manager.latest_step()

    def best(self) -> int | None:
        """The step whose validation scores were best; the newest one where none were taken."""
        scored = {step: self.about(step)["scores"] for step in self._manager.all_steps()}
        scored = {step: scores for step, scores in scored.items() if self._best in scores}
        return max(scored, key=lambda step: (self._quality(scored[step]), step)) if scored else self.latest()

    def about(self, step: int) -> dict[str, Any]:
        return self._manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]

    def restore(self, step: int, like: TrainState, shardings: TrainState) -> TrainState:
        """The state saved at `step`, each leaf laid out as `shardings` says; `like` gives shapes only.

        Raises:
          InputError: the checkpoint holds another model or another optimizer; names what differs.
        """
        abstract = jax.tree.map(
            lambda leaf, lies: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=lies), like, shardings
        )
        _check_same(self.shapes(step), like.params, where=self._directory)
        rest = {f.name: getattr(abstract, f.name) for f in dataclasses.fields(like) if f.name != "params"}
        try:
            items = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    params=ocp.args.StandardRestore(abstract.params), rest=ocp.args.StandardRestore(rest)
                ),
            )
        except (ValueError, KeyError) as error:
            raise InputError(
                f"checkpoint {step} in {self._directory} was written with another optimizer or by another version: "
                f"{str(error).splitlines()[0]}; start in a fresh workdir"
            ) from error
        return TrainState(params=items["params"], **items["rest"])

    def shapes(self, step: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the saved parameters by path, read without the arrays."""
        metadata = self._manager.item_metadata(step)["params"]
        tree = getattr(metadata, "tree", metadata)
        return {name: tuple(leaf.shape) for name, leaf in tree.items()}

    def params(self, step: int, sharding: NamedSharding) -> dict[str, jax.Array]:
        """The saved parameters, whatever model they belong to."""
        metadata = self._manager.item_metadata(step)["params"]
        tree = getattr(metadata, "tree", metadata)
        like = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding) for name, leaf in tree.items()}
        return dict(
            self._manager.restore(step, args=ocp.args.Composite(params=ocp.args.StandardRestore(like)))["params"]
        )


def _check_same(saved: Mapping[str, tuple[int, ...]], params: Mapping[str, Any], *, where: Path) -> None:
    here = {name: tuple(leaf.shape) for name, leaf in params.items()}
    if dict(saved) == here:
        return
    differs = [f"{n} has shape {saved[n]} there and {here[n]} here" for n in here if n in saved and saved[n] != here[n]]
    differs += [f"{n} is not there" for n in here if n not in saved]
    differs += [f"{n} is only there" for n in saved if n not in here]
    more = f" (and {len(differs) - 4} more differences)" if len(differs) > 4 else ""
    raise InputError(f"{where} holds a checkpoint of another model: {'; '.join(differs[:4])}{more}")


def check_disk_space(directory: Path, state: Any, *, checkpoints: int) -> None:
    """Raises InputError when the disk cannot hold `checkpoints` copies of `state`; run before anything is compiled."""
    need = checkpoints * sum(
        leaf.size * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(state) if leaf.dtype != _key_type(leaf)
    )
    free = shutil.disk_usage(directory).free
    if free < need:
        raise InputError(
            f"the disk of {directory} has {free / 1e6:,.0f} MB free and {checkpoints} checkpoints of this model need "
            f"{need / 1e6:,.0f} MB; free some space, choose another workdir, or lower checkpoint.keep"
        )


def _key_type(leaf: Any) -> Any:
    return leaf.dtype if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else None


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
