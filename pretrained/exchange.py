"""Published weights into a model, by the names of its family. The way back is pretrained/saving.py."""

import dataclasses
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from errors import InputError
from layer_stacks import arranged, single_paths, stack_of
from models.config import TransformerConfig
from pretrained.encoders import BERT, LONGFORMER, ROBERTA
from pretrained.family import Family, Head
from pretrained.files import DTYPES, Stored, read_config, read_weights, stored_weights
from skeleton import BuildModel, Skeleton

FAMILIES = {family.model_type: family for family in (BERT, ROBERTA, LONGFORMER)}
LARGEST = 2**31 - 1
OLD_LEAVES = {"gamma": "weight", "beta": "bias"}  # of norms, in files of 2018 and 2019

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A directory whose config.json and headers agree with each other; no weight is read yet."""

    family: Family
    architecture: str
    cfg: TransformerConfig
    skeleton: Skeleton
    stored: Mapping[str, Stored]
    names: Mapping[str, str]  # theirs, as in the files, by single parameter of ours


def load(directory: str | Path, *, architecture: str = "", **sizes: Any) -> nnx.Module:
    """The model that a directory in transformers' format holds; its parameters are float32.

    `architecture` asks for another head than config.json names, as "BertModel" does for no head; `sizes` change what
    config.json does not decide: `dtype`, `scan`, `remat`, dropout rates, `max_global_tokens`, `implementation`.

    Raises:
      InputError: an unknown family, setting or architecture; files that cannot be read; or weights that are missing,
        too many, of other shapes, or there twice with different values, all of them named.
    """
    found = examined(Path(directory), architecture=architecture, **sizes)
    params = arranged(_read(found.names, found.stored), found.skeleton.shapes)
    return found.skeleton.join(params)


def examined(directory: Path, *, architecture: str = "", **sizes: Any) -> Published:
    """What `load` would read. Raises InputError as it does, but for damaged data."""
    config, stored = read_config(directory), stored_weights(directory)
    family = _family_of(config, directory)
    architecture = architecture or _asked_architecture(config, family, directory)
    if architecture not in family.heads:
        raise InputError(f"{directory}: {architecture} is not one of {', '.join(family.heads)}")
    try:
        _refuse_far_too_large(config, weights=len(stored))
        cfg = _changed(family.sizes(config), sizes)
        skeleton = Skeleton(_builder(family.net, family.heads[architecture], cfg, config))
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    names = _paired(family, architecture, skeleton.shapes, stored, directory)
    return Published(family, architecture, cfg, skeleton, stored, names)


def holds(directory: str | Path) -> bool:
    """Whether it is a directory in transformers' format, sound or not."""
    try:
        return "model_type" in read_config(Path(directory))
    except InputError:
        return False


def sizes(directory: str | Path) -> dict[str, Any]:
    """The net's sizes by the names of the model section of a recipe. Raises InputError as `examined`."""
    found = examined(Path(directory))
    return {"name": found.family.net.__name__.lower()} | dataclasses.asdict(found.cfg)


def _family_of(config: Mapping[str, Any], directory: Path) -> Family:
    if "auto_map" in config:
        raise InputError(
            f"{directory}: auto_map of config.json asks for Python code of that repository, which is never run here; "
            "only models of the families listed by `python -m pretrained` can be read"
        )
    name = config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise InputError(f"{directory}: model_type {name!r} of config.json is not one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _asked_architecture(config: Mapping[str, Any], family: Family, directory: Path) -> str:
    named = config.get("architectures") or [family.bare]
    if not isinstance(named, list) or len(named) != 1:
        raise InputError(f"{directory}: config.json must name one architecture, got {named!r}")
    return named[0]


def _changed(cfg: TransformerConfig, sizes: Mapping[str, Any]) -> TransformerConfig:
    if unknown := sizes.keys() - {field.name for field in dataclasses.fields(cfg)}:
        raise InputError(f"{', '.join(sorted(unknown))} is no size of {type(cfg).__name__}")
    return dataclasses.replace(cfg, **sizes)


def _refuse_far_too_large(config: Mapping[str, Any], *, weights: int) -> None:
    """What could not even be described: shapes are compared with those in the files later."""
    for name, value in config.items():
        if isinstance(value, int) and value > LARGEST:
            raise InputError(f"config.json: {name}={value} is more than any model has")
    if isinstance(config.get("num_hidden_layers"), int) and config["num_hidden_layers"] > weights:
        raise InputError(f"config.json has more layers than the files have weights: {config['num_hidden_layers']}")


def _builder(net: type, head: Head, cfg: TransformerConfig, config: Mapping[str, Any]) -> BuildModel:
    how = _classes(config, cfg) if head.counts_classes else {}
    return lambda rngs: head.build(net(cfg, rngs=rngs), **how, rngs=rngs)


def _classes(config: Mapping[str, Any], cfg: TransformerConfig) -> dict[str, Any]:
    names, rate = config.get("id2label", {"0": "", "1": ""}), config.get("classifier_dropout")
    rate = cfg.dropout_rate if rate is None else rate
    if not isinstance(names, dict):
        raise InputError(f"config.json: id2label must name the classes, got {names!r}")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise InputError(f"config.json: classifier_dropout must be a number of at least 0 and below 1, got {rate!r}")
    return {"classes": len(names), "dropout_rate": float(rate)}


def _paired(
    family: Family, architecture: str, flat: Mapping[str, Any], stored: Mapping[str, Stored], directory: Path
) -> dict[str, str]:
    """Their name, as it stands in the files, of each single parameter of ours.

    Raises:
      InputError: names everything that does not fit.
    """
    there = {_current(name, family, architecture): name for name in stored}
    wanted = _wanted(family, architecture, flat)
    head, problems = family.heads[architecture], []
    for name, (_, shape) in wanted.items():
        found = stored[there[name]] if name in there else None
        if found is None:
            problems.append(f"{name} is missing")
        elif found.shape != shape:
            problems.append(f"{name} has shape {found.shape}, and config.json asks for {shape}")
        elif found.dtype not in DTYPES:
            problems.append(f"{name} holds {found.dtype}, not floating-point numbers")
    spare = [name for name in there if name not in wanted and name not in head.repeated]
    left_out = [name for name in spare if any(re.fullmatch(rule, name) for rule in family.left_out)]
    problems += [f"{name} belongs to no part of {architecture}" for name in spare if name not in left_out]
    if len(there) != len(stored):
        problems += [f"{name} is there twice" for name in stored if there[_current(name, family, architecture)] != name]
    if problems:
        raise InputError(f"{directory} does not hold a {architecture}: {'; '.join(problems)}")
    _check_repeated({there[name]: there[first] for name, first in head.repeated.items() if name in there}, stored)
    if left_out:
        log.warning("%s: %s has no use for %s", directory, architecture, ", ".join(sorted(left_out)))
    return {path: there[name] for name, (path, _) in wanted.items()}


def _wanted(family: Family, architecture: str, flat: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By their names: our path, and the shape in which they keep it."""
    found = {}
    for path, leaf in flat.items():
        shape = tuple(leaf.shape[1:] if stack_of(path) else leaf.shape)
        for single in single_paths(path):
            name = family.counterpart(single, architecture)
            found[name] = single, shape[::-1] if single.endswith(".kernel") else shape
    return found


def _current(name: str, family: Family, architecture: str) -> str:
    """The name as transformers writes it now, for this architecture."""
    module, _, leaf = name.rpartition(".")
    name = f"{module}.{OLD_LEAVES.get(leaf, leaf)}"
    if architecture == family.bare:
        return name.removeprefix(f"{family.prefix}.")
    return name


def _check_repeated(pairs: Mapping[str, str], stored: Mapping[str, Stored]) -> None:
    if not pairs:
        return
    values = dict(read_weights({name: stored[name] for names in pairs.items() for name in names}))
    if differ := [name for name, first in pairs.items() if not jnp.array_equal(values[name], values[first])]:
        raise InputError(f"{stored[differ[0]].file}: {', '.join(differ)} repeat other weights with other values")


def _read(names: Mapping[str, str], stored: Mapping[str, Stored]) -> dict[str, jax.Array]:
    paths = {name: path for path, name in names.items()}
    read = read_weights({name: stored[name] for name in paths})
    return {paths[name]: turned(paths[name], value.astype(jnp.float32)) for name, value in read}


def turned(path: str, value: Any) -> Any:
    """PyTorch keeps a map's matrix with its outputs first, Flax with its inputs first."""
    return value.T if path.endswith(".kernel") else value
