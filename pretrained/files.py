"""A directory of a published model: config.json, and weights in one file or in several with an index."""

import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file

from errors import InputError
from pretrained.pickled import pickled_weights
from pretrained.stored import Stored, lying_at
from whole_files import write_json

CONFIG = "config.json"
FORM = {"indent": 2, "sort_keys": True}  # of the JSON that is written, as transformers writes it
LONGEST_HEADER = 2**27  # bytes; a larger one is a lie
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # safetensors' words


def read_config(directory: Path) -> dict[str, Any]:
    """What config.json says. Raises InputError where there is none, or it is no JSON object."""
    return _read_json(directory / CONFIG)


def stored_weights(directory: Path) -> dict[str, Stored]:
    """Every weight of the directory by name, none of them read; safetensors are preferred to pickles.

    Raises:
      InputError: no file, a damaged one, a name in two files, or an index that does not agree with the files.
    """
    for kind in KINDS:
        if (directory / kind.index).exists():
            return _indexed(directory, kind)
        if (directory / kind.file).exists():
            return kind.weights(directory / kind.file)
    names = [name for kind in KINDS for name in (kind.file, kind.index)]
    raise InputError(f"{directory} has none of {', '.join(names)}")


def write(directory: Path, config: Mapping[str, Any], weights: Mapping[str, np.ndarray], *, shard_bytes: int) -> None:
    """config.json and the weights, in files of at most `shard_bytes` where no single weight is larger.

    Each file is put in place by a rename, config.json last.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shards = _shards(weights, shard_bytes)
    count = len(shards)
    places = {}
    for number, names in enumerate(shards, 1):
        file = SAFETENSORS.file if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
        fresh = directory / f"{file}.new"
        save_file({name: weights[name] for name in names}, fresh, metadata={"format": "pt"})
        os.replace(fresh, directory / file)
        places |= dict.fromkeys(names, file)
    if count > 1:
        total = sum(array.nbytes for array in weights.values())
        write_json(directory / SAFETENSORS.index, {"metadata": {"total_size": total}, "weight_map": places}, **FORM)
        (directory / SAFETENSORS.file).unlink(missing_ok=True)
    else:
        (directory / SAFETENSORS.index).unlink(missing_ok=True)
    write_json(directory / CONFIG, config, **FORM)


def _shards(weights: Mapping[str, np.ndarray], shard_bytes: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    held = 0
    for name, array in weights.items():
        if shards[-1] and held + array.nbytes > shard_bytes:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += array.nbytes
    return shards


def _header(path: Path) -> dict[str, Stored]:
    """From the file's header, after the reader of the format has found it sound."""
    try:
        with safetensors.safe_open(path, framework="np") as opened:
            opened.keys()
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, LONGEST_HEADER)), object_pairs_hook=_once)
            start = file.tell()
    except (safetensors.SafetensorError, OSError, ValueError, struct.error) as error:
        raise InputError(f"{path} is no sound safetensors file: {error}") from error
    header.pop("__metadata__", None)
    return {
        name: lying_at(
            start + told["data_offsets"][0], path, tuple(told["shape"]), FLOATS.get(told["dtype"], told["dtype"])
        )
        for name, told in header.items()
    }


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is there twice")
    return values


@dataclass(frozen=True)
class Kind:
    """A kind of files that hold weights."""

    file: str  # where there is only one
    weights: Callable[[Path], dict[str, Stored]]

    @property
    def index(self) -> str:
        return f"{self.file}.index.json"


SAFETENSORS, PICKLED = Kind("model.safetensors", _header), Kind("pytorch_model.bin", pickled_weights)
KINDS = (SAFETENSORS, PICKLED)


def _indexed(directory: Path, kind: Kind) -> dict[str, Stored]:
    path = directory / kind.index
    places = _read_json(path).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise InputError(f"{path}: weight_map must name a file for each weight")
    found: dict[str, Stored] = {}
    for file in sorted(set(places.values())):
        if Path(file).name != file or not file.endswith(Path(kind.file).suffix):
            raise InputError(f"{path}: {file!r} is no {Path(kind.file).suffix} file of that directory")
        weights = kind.weights(directory / file)
        if twice := sorted(found.keys() & weights.keys()):
            raise InputError(f"{directory}: {twice[0]} is in both {found[twice[0]].file.name} and {file}")
        found |= weights
    if differ := sorted(found.keys() ^ places.keys()) + [
        name for name in found if name in places and found[name].file.name != places[name]
    ]:
        raise InputError(f"{path} and the files beside it do not agree on {', '.join(differ)}")
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object")
    return content
