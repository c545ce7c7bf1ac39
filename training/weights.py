"""Where starting weights, and the weights that are evaluated, come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.sharding import NamedSharding

from errors import InputError
from training.checkpoint import Checkpoints
from training.run_directory import has_checkpoint, read_config
from training.state import Skeleton, transfer

SIZES = (
    "name",
    "width",
    "depth",
    "heads",
    "mlp_width",
    "positions",
    "norm",
    "activation",
    "token_types",
)
"""Keys of the config's model section that decide the shape or the meaning of the encoder's weights."""


@dataclass(frozen=True)
class Source:
    """The best checkpoint of a work directory."""

    directory: Path
    step: int
    best: str

    @property
    def tokenizer(self) -> Path:
        return self.directory / "tokenizer"

    def params(self, sharding: NamedSharding) -> dict[str, jax.Array]:
        checkpoints = _open(self.directory, self.best)
        try:
            return checkpoints.params(self.step, sharding)
        finally:
            checkpoints.close()


def starting_source(config: Any) -> Source | None:
    """What `init_from` names; None where it is empty.

    Raises:
      InputError: no such work directory, no checkpoint in it, or a model of other sizes (each key is named).
    """
    return _source(Path(config.init_from), config) if config.init_from else None


def finished_source(config: Any) -> Source:
    """The work directory's own checkpoint if it has one, else what `init_from` names.

    Raises:
      InputError: neither has one, or it belongs to a model of other sizes.
    """
    directory = Path(config.workdir)
    if has_checkpoint(directory) or not config.init_from:
        return _source(directory, config)
    return _source(Path(config.init_from), config)


def _source(directory: Path, config: Any) -> Source:
    there, here = read_config(directory), config.model.to_dict()
    differ = [
        f"model.{key} is {there['model'][key]!r} there and {here[key]!r} here"
        for key in (*SIZES, *(["max_positions"] if here["positions"] == "learned" else []))
        if there["model"][key] != here[key]
    ]
    if differ:
        raise InputError(f"{directory} holds another model: {'; '.join(differ)}")
    best = there["checkpoint"]["best"]
    checkpoints = _open(directory, best)
    try:
        step = checkpoints.best()
    finally:
        checkpoints.close()
    if step is None:
        raise InputError(f"{directory} has no finished checkpoint yet; train it first")
    return Source(directory, step, best)


def _open(directory: Path, best: str) -> Checkpoints:
    if not has_checkpoint(directory):
        raise InputError(f"{directory} has no checkpoint; train it first")
    return Checkpoints(directory / "checkpoints", keep=1, best=best, read_only=True)


def check_complete(params: Mapping[str, jax.Array], skeleton: Skeleton, *, directory: Path) -> dict[str, jax.Array]:
    """`params` cut to what the model has.

    Raises:
      InputError: some parameter of the model is not in the checkpoint, so that its answers would be noise.
    """
    report = transfer(params, skeleton.shapes)
    if report.fresh:
        raise InputError(
            f"{directory} was trained for another task: it has no {', '.join(report.fresh[:3])}; train this task "
            "first, with --config.init_from to start from it"
        )
    return {name: params[name] for name in report.taken}
