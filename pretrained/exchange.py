"""Published weights into a model, by the names of its family. The way back is pretrained/saving.py."""

import dataclasses
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from errors import InputError
from layer_stacks import arranged, single_paths, stack_of
from models.config import TransformerConfig
from pretrained.encoders import BERT, LONGFORMER, ROBERTA
from pretrained.family import Family
from pretrained.files import DTYPES, Stored, read_config, read_weights, stored_weights

FAMILIES = {family.model_type: family for family in (BERT, ROBERTA, LONGFORMER)}
LARGEST = 2**31 - 1
OLD_LEAVES = {"gamma": "weight", "beta": "bias"}  # of norms, in files of 2018 and 2019

log = logging.getLogger(__name__)


def load(directory: str | Path, *, architecture: str = "", **sizes: Any) -> nnx.Module:
    """The model that a directory in transformers' format holds; its parameters are float32.

    `architecture` asks for another head than config.json names, as "BertModel" does for no head; `sizes` change what
    config.json does not decide: `dtype`, `scan`, `remat`, dropout rates, `max_global_tokens`, `implementation`.

    Raises:
      InputError: an unknown family, setting or architecture; files that cannot be read; or weights that are missing,
        too many, of other shapes, or there twice with different values, all of them named.
    """
    directory = Path(directory)
    config = read_config(directory)
    family = family_of(config, directory)
    architecture = architecture or asked_architecture(config, family, directory)
    if architecture not in family.heads:
        raise InputError(f"{directory}: {architecture} is not one of {', '.join(family.heads)}")
    stored = stored_weights(directory)
    cfg = read_sizes(family, config, directory, stored, **sizes)
    build = builder(family, architecture, cfg, config)
    model = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    flat = parameters(model)
    names = pair(family, architecture, flat, stored, directory)
    return filled(model, arranged(_read(names, stored), flat))


def parameters(model: nnx.Module) -> dict[str, Any]:
    """Arrays, or shapes, by dotted path."""
    return {".".join(map(str, path)): leaf.get_value() for path, leaf in nnx.to_flat_state(nnx.state(model))}


def filled(shapes: nnx.Module, params: Mapping[str, jax.Array]) -> nnx.Module:
    """The model of those shapes with the parameters given by path."""
    graph, state = nnx.split(shapes)
    leaves = [(path, leaf.replace(params[".".join(map(str, path))])) for path, leaf in nnx.to_flat_state(state)]
    return nnx.merge(graph, nnx.from_flat_state(leaves))


def holds(directory: str | Path) -> bool:
    """Whether it is a directory in transformers' format, sound or not."""
    try:
        return "model_type" in read_config(Path(directory), code=True)
    except InputError:
        return False


def sizes(directory: str | Path) -> dict[str, Any]:
    """The net's sizes by the names of the model section of a recipe.

    Raises:
      InputError: as `load`, as far as config.json and the headers of the files tell.
    """
    directory = Path(directory)
    config = read_config(directory)
    family = family_of(config, directory)
    cfg = read_sizes(family, config, directory, stored_weights(directory))
    return {"name": family.net.__name__.lower()} | dataclasses.asdict(cfg)


def family_of(config: Mapping[str, Any], directory: Path) -> Family:
    name = config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise InputError(f"{directory}: model_type {name!r} of config.json is not one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def asked_architecture(config: Mapping[str, Any], family: Family, directory: Path) -> str:
    named = config.get("architectures") or [family.bare]
    if not isinstance(named, list) or len(named) != 1:
        raise InputError(f"{directory}: config.json must name one architecture, got {named!r}")
    return named[0]


def read_sizes(
    family: Family, config: Mapping[str, Any], directory: Path, stored: Mapping[str, Stored], **sizes: Any
) -> TransformerConfig:
    """The net's sizes; refused where the files cannot hold such a net, before anything of that size is made."""
    try:
        _refuse_far_too_large(config, weights=len(stored))
        cfg = family.sizes(config)
        unknown = sizes.keys() - {field.name for field in dataclasses.fields(cfg)}
        if unknown:
            raise InputError(f"{', '.join(sorted(unknown))} is no size of {type(cfg).__name__}")
        cfg = dataclasses.replace(cfg, **sizes)
    except (InputError, TypeError) as error:
        raise InputError(f"{directory}: {error}") from error
    return cfg


def _refuse_far_too_large(config: Mapping[str, Any], *, weights: int) -> None:
    """What could not even be described: shapes are compared with those in the files later."""
    for name, value in config.items():
        if isinstance(value, int) and value > LARGEST:
            raise InputError(f"config.json: {name}={value} is more than any model has")
    if isinstance(config.get("num_hidden_layers"), int) and config["num_hidden_layers"] > weights:
        raise InputError(f"config.json has more layers than the files have weights: {config['num_hidden_layers']}")


def builder(family: Family, architecture: str, cfg: TransformerConfig, config: Mapping[str, Any]):
    """`build(rngs)`: the model with fresh weights."""
    head = family.heads[architecture]
    how: dict[str, Any] = {}
    if head.counts_classes:
        dropout_rate = config.get("classifier_dropout")
        how["dropout_rate"] = cfg.dropout_rate if dropout_rate is None else float(dropout_rate)
        how["classes"] = len(config.get("id2label") or {0: 0, 1: 1})

    def build(rngs: nnx.Rngs) -> nnx.Module:
        return head.build(family.net(cfg, rngs=rngs), **how, rngs=rngs)

    return build


def pair(
    family: Family, architecture: str, flat: Mapping[str, Any], stored: Mapping[str, Stored], directory: Path
) -> dict[str, str]:
    """Their name, as it stands in the files, of each single parameter of ours.

    Raises:
      InputError: names everything that does not fit.
    """
    there = {_current(name, family, architecture, stored): name for name in stored}
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
        problems += [
            f"{name} is there twice" for name in stored if there[_current(name, family, architecture, stored)] != name
        ]
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


def _current(name: str, family: Family, architecture: str, stored: Iterable[str]) -> str:
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
