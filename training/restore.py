"""Reading checkpoints back: each array against its digest, a damaged checkpoint named and the next one tried.

Orbax alone loads array data with flipped bits in silence, and lists a half-deleted step as the latest.
"""

import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from errors import InputError
from training.about import About, Leaf, describe, describe_with_digests, from_best_to_worst, read_about
from training.cluster import any_of_us, leader_first, leads
from training.damage import DamagedError, read_or_damaged
from training.sharding import laid_out
from training.state import TrainState

T = TypeVar("T")

DAMAGED = "damaged"
"""Name of the directory beside the steps into which a resumed run moves those that it could not use."""


@dataclass(frozen=True)
class Restored:
    """A checkpoint that is what was saved."""

    state: TrainState
    step: int
    scores: Mapping[str, float]


def restore_newest(
    directory: Path, like: TrainState, mesh: Mesh, *, identity: Mapping[str, Any], verify: bool
) -> Restored | None:
    """The newest checkpoint that is intact, laid out on `mesh`; `like` gives shapes only. None: there is none yet.

    Damaged ones that are newer are named on standard error and moved into `damaged/`, so that their steps can be saved
    again.

    Raises:
      InputError: a checkpoint belongs to another model, optimizer or data (what differs is named), or all are damaged.
    """
    damaged: dict[int, str] = {}
    for step in stored_steps(directory):
        try:
            about = _by_all("about", lambda step=step: read_about(directory, step))
            _check_identity(about, identity, directory=directory)
            state = _read_state(directory, about, like, mesh, verify=verify)
        except DamagedError as error:
            damaged[step] = _told(directory, step, error)
            continue
        if damaged:
            _set_aside(directory, damaged)
            _tell(f"checkpoint {step} is used instead")
        return Restored(state, step, about.scores)
    _check_none_damaged(directory, damaged)
    return None


def restore_best(directory: Path, mesh: Mesh, *, best: str, verify: bool) -> tuple[dict[str, jax.Array], int]:
    """The weights of the best checkpoint that is intact, whatever model they belong to, and its step.

    These are the averages of the parameters where the run kept any, since its scores are those of the averages.

    Damaged ones are named on standard error; nothing in `directory` is changed.

    Raises:
      InputError: there is no checkpoint, or all are damaged.
    """
    abouts: dict[int, About] = {}
    damaged: dict[int, str] = {}
    for step in stored_steps(directory):  # of each, since one that says nothing of its scores may be the best
        try:
            abouts[step] = _by_all("about", lambda step=step: read_about(directory, step))
        except DamagedError as error:
            damaged[step] = _told(directory, step, error)
    for step in from_best_to_worst({step: about.scores for step, about in abouts.items()}, best=best):
        try:
            weights = _read_weights(directory, abouts[step], mesh, verify=verify)
        except DamagedError as error:
            damaged[step] = _told(directory, step, error)
            continue
        if damaged:
            _tell(f"checkpoint {step} is used instead")
        return weights, step
    _check_none_damaged(directory, damaged)
    raise InputError(f"{directory.parent} has no finished checkpoint yet; train it first")


def items_of(state: TrainState) -> dict[str, Any]:
    """The parts in which a state is saved: what evaluation needs apart from what only training does."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    params, ema = fields.pop("params"), fields.pop("ema")
    return {"params": params, "rest": fields} | ({"ema": ema} if ema else {})


def stored_steps(directory: Path) -> list[int]:
    """The newest first. A step is a directory named by its number."""
    if not directory.is_dir():
        return []
    return sorted((int(path.name) for path in directory.iterdir() if path.name.isdecimal()), reverse=True)


def stored_scores(directory: Path) -> dict[int, Mapping[str, float]]:
    """The validation scores of the steps whose `about` can be read, and {} for the others."""
    scores: dict[int, Mapping[str, float]] = {}
    for step in stored_steps(directory):
        try:
            scores[step] = read_about(directory, step).scores
        except DamagedError:  # told by what restores it
            scores[step] = {}
    return scores


def _read_state(directory: Path, about: About, like: TrainState, mesh: Mesh, *, verify: bool) -> TrainState:
    items = items_of(laid_out(like, mesh))
    _check_same(about, describe(items), directory=directory)
    read = {name: _read_item(directory, about, name, item, verify=verify) for name, item in items.items()}
    return TrainState(params=read["params"], ema=read.get("ema", {}), **read["rest"])


def _read_weights(directory: Path, about: About, mesh: Mesh, *, verify: bool) -> dict[str, jax.Array]:
    weights: dict[str, jax.Array] = {}
    for item in ("params", "ema"):  # as in `TrainState.weights`
        like = {
            name: jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(leaf.dtype))
            for name, leaf in about.arrays.get(item, {}).items()
        }
        if like:
            weights |= _read_item(directory, about, item, laid_out(like, mesh), verify=verify)
    return weights


def _read_item(directory: Path, about: About, name: str, like: Any, *, verify: bool) -> Any:
    """Raises DamagedError when it cannot be read, or differs from what was saved."""
    path = (directory / str(about.step) / name).absolute()
    reader, args = ocp.Checkpointer(ocp.StandardCheckpointHandler()), ocp.args.StandardRestore(like)
    item = _by_all(name, lambda: read_or_damaged(name, lambda: reader.restore(path, args=args)))
    if verify:
        saved, here = about.arrays[name], describe_with_digests({name: item})[name]
        differ = [leaf for leaf in saved if here.get(leaf) != saved[leaf]]
        if differ:
            raise DamagedError(f"{name} differs from what was saved in {_listed(differ)}")
    return item


def _by_all(what: str, read: Callable[[], T]) -> T:
    """`read()`, or a DamagedError in every process where it is damaged for one: they must choose the same step."""
    value, problem = None, None
    try:
        value = read()
    except DamagedError as error:
        problem = error
    if any_of_us(problem is not None):
        raise problem or DamagedError(f"{what} cannot be read by another process")
    return cast(T, value)


def _check_identity(about: About, identity: Mapping[str, Any], *, directory: Path) -> None:
    differ = [name for name in identity if about.identity.get(name) != identity[name]]
    if differ:
        raise InputError(
            f"{directory.parent} cannot go on: {' and '.join(differ)} changed since its checkpoint {about.step}; "
            "put the old back, or start in a fresh workdir"
        )


def _check_same(about: About, here: Mapping[str, Mapping[str, Leaf]], *, directory: Path) -> None:
    if differ := _differences(about.arrays["params"], here["params"]):
        raise InputError(f"{directory} holds a checkpoint of another model: {_listed(differ, '; ')}")
    others = [name for name in ("rest", "ema") if name in about.arrays or name in here]
    if differ := [told for name in others for told in _differences(about.arrays.get(name, {}), here.get(name, {}))]:
        raise InputError(
            f"checkpoint {about.step} in {directory} was written with another optimizer or by another version: "
            f"{_listed(differ, '; ')}; start in a fresh workdir"
        )


def _differences(saved: Mapping[str, Leaf], here: Mapping[str, Leaf]) -> list[str]:
    both = [name for name in here if name in saved]
    differ = [
        f"{name} has {what} {getattr(saved[name], what)} there and {getattr(here[name], what)} here"
        for what in ("shape", "dtype")
        for name in both
        if getattr(saved[name], what) != getattr(here[name], what)
    ]
    differ += [f"{name} is not there" for name in here if name not in saved]
    return differ + [f"{name} is only there" for name in saved if name not in here]


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    more = f" (and {len(names) - 4} more)" if len(names) > 4 else ""
    return separator.join(names[:4]) + more


def _told(directory: Path, step: int, error: DamagedError) -> str:
    _tell(f"checkpoint {step} ({directory / str(step)}) is damaged and not used: {error}")
    return str(error)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _set_aside(directory: Path, steps: Iterable[int]) -> None:
    """Renames the steps, so that nothing takes them for checkpoints again; nothing is deleted."""
    with leader_first("damaged"):
        if leads():
            _move(directory, steps)


def _move(directory: Path, steps: Iterable[int]) -> None:
    for step in steps:
        places = (directory / DAMAGED / f"{step}.{number}" for number in itertools.count(1))
        place = next(place for place in places if not place.exists())
        place.parent.mkdir(exist_ok=True)
        (directory / str(step)).rename(place)
        _tell(f"checkpoint {step} was moved to {place}")


def _check_none_damaged(directory: Path, damaged: Mapping[int, str]) -> None:
    if damaged:
        told = "; ".join(f"{step}: {what}" for step, what in damaged.items())
        raise InputError(
            f"all checkpoints in {directory} are damaged ({told}); put back a copy, or delete that directory to begin "
            "again"
        )
