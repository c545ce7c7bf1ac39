"""The work directory: which run it belongs to, and what is written beside the checkpoints."""

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from configs.defaults import get_config
from errors import InputError
from tasks.task import FOUND
from training.cluster import leads
from training.machine import checkout, cpu
from training.optimizer import ENDLESS
from whole_files import read_json, unfinished, write_json

FREE_TO_CHANGE = (
    "mode",
    "workdir",
    "compilation_cache",
    "keep_pages",
    "log",
    "evaluation",
    "prediction",
    "plan",
    "cluster",
    "mesh",
    "checkpoint.verify",
    "train.max_skipped",
    "data.read_ahead",
    "data.cache",
)
"""Keys that a resumed run may change, since they do not decide what it computes; `evaluation.every` does."""

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tokenizers", "tensorflow-datasets", "numpy")


def claim(directory: Path, config: dict[str, Any]) -> None:
    """Makes `directory` the place of the run that `config` describes, or finds that it already is.

    A run that has no checkpoint yet has nothing to lose: another config takes its place. One of an endless schedule may
    be given more steps (`write_steps`).

    Raises:
      InputError: the directory holds another run's checkpoints (the keys that differ are named), a damaged config.json,
        or files of something else.
    """
    if not leads():
        return
    stored = directory / "config.json"
    if stored.exists():
        there, here = read_json(stored), json.loads(json.dumps(config))
        differ = _differences(there, here)
        if differ and has_checkpoint(directory):
            raise InputError(_refusal(directory, differ, schedule=here["optimizer"]["schedule"]))
        if differ:
            shutil.rmtree(directory / "tokenizer", ignore_errors=True)
    elif directory.exists() and not _is_empty(directory):
        raise InputError(f"{directory} exists and holds no run of this project; choose another --config.workdir")
    directory.mkdir(parents=True, exist_ok=True)
    for path in filter(unfinished, directory.iterdir()):
        path.unlink()
    if not has_checkpoint(directory):
        for name in FOUND:
            (directory / name).unlink(missing_ok=True)
        write_json(stored, config)


def _is_empty(directory: Path) -> bool:
    """Whether nothing is there but the lock, and what a start left that was killed while it wrote config.json."""
    return directory.is_dir() and all(
        path.name == "lock" or (path.name.startswith("config.json.") and unfinished(path))
        for path in directory.iterdir()
    )


def _refusal(directory: Path, differ: dict[str, str], *, schedule: str) -> str:
    few = "; ".join(f"{key} {change}" for key, change in list(differ.items())[:4])
    more = f" (and {len(differ) - 4} more)" if len(differ) > 4 else ""
    told = f"{directory} holds another run: {few}{more}; choose another --config.workdir"
    if differ.keys() == {"train.steps"} and schedule not in ENDLESS:
        return (
            f"{told}, and --config.init_from={directory} to begin with its weights: {schedule} depends on train.steps"
        )
    return f"{told} or delete it"


def has_checkpoint(directory: Path) -> bool:
    """Whether a checkpoint was ever finished here; steps are directories named by their number."""
    checkpoints = directory / "checkpoints"
    return checkpoints.is_dir() and any(path.name.isdigit() for path in checkpoints.iterdir())


def _differences(there: dict[str, Any], here: dict[str, Any]) -> dict[str, str]:
    """What was and what is, by key. More steps of an endless schedule are no difference."""
    there, here = flatten(completed(there)), flatten(here)
    if here["optimizer.schedule"] in ENDLESS and here["train.steps"] > there["train.steps"]:
        there["train.steps"] = here["train.steps"]
    keys = [key for key in sorted(there.keys() | here.keys()) if there.get(key) != here.get(key)]
    return {key: f"was {there.get(key)!r} and is {here.get(key)!r}" for key in keys if not _may_change(key)}


def _may_change(key: str) -> bool:
    return key != "evaluation.every" and any(key == free or key.startswith(f"{free}.") for free in FREE_TO_CHANGE)


def write_steps(directory: Path, steps: int) -> None:
    """Puts the last step of a run that goes further than it was begun for into its config.json."""
    if leads():
        path = directory / "config.json"
        config = read_json(path)
        if config["train"]["steps"] != steps:
            config["train"]["steps"] = steps
            write_json(path, config)


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """An older run's config with the keys that it lacks: their defaults are chosen to be what such runs did."""
    filled = json.loads(json.dumps(get_config().to_dict()))
    for key, value in config.items():
        filled[key] = filled[key] | value if isinstance(value, dict) and key in filled else value
    return filled


def read_config(directory: Path) -> dict[str, Any]:
    """The config of the run in `directory`, `completed`.

    Raises:
      InputError: there is none, or it is damaged.
    """
    path = directory / "config.json"
    if not path.exists():
        raise InputError(f"{directory} is no work directory: it has no config.json")
    return completed(read_json(path))


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps a second process out of `directory`; the lock goes with the process, however it ends.

    Raises:
      InputError: another process holds it, or it cannot be made.
    """
    if not leads():  # the first process holds it for all
        yield
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(directory / "lock", "w", encoding="utf-8")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise InputError(
            f"workdir={directory} cannot be made or written to ({error.strerror}); choose another --config.workdir"
        ) from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is running in {directory}; wait for it, or choose another --config.workdir"
            ) from error
        yield


def write_environment(directory: Path) -> None:
    """environment.json: commit, package versions, devices, command; a list, one entry for each start of the run."""
    if not leads():
        return
    path = directory / "environment.json"
    starts = read_json(path) if path.exists() else []
    commit, dirty = checkout()
    starts.append(
        {
            "commit": commit,
            "dirty": dirty,
            "versions": {"python": sys.version.split()[0]} | {name: metadata.version(name) for name in PACKAGES},
            "time": time.time(),
            "processes": jax.process_count(),
            "devices": [device.device_kind for device in jax.devices()],
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        }
    )
    write_json(path, starts)


def as_tuples(value: Any) -> Any:
    """What JSON made a list, at any depth, is a tuple again, as it was in the config."""
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def how_scored(directory: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The command of this process, its code, and the keys whose values are not those that the run was trained with."""
    commit, dirty = checkout()
    trained, now = (flatten(json.loads(json.dumps(each))) for each in (read_config(directory), config))
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "commit": commit,
        "dirty": dirty,
        "config": {key: value for key, value in now.items() if trained.get(key) != value},
    }


def write_result(directory: Path, result: dict[str, Any]) -> Path:
    """result.json of a train run or an evaluation."""
    path = directory / f"result_{result['split']}.json"
    if leads():
        write_json(path, result)
    return path


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
