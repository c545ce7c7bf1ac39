"""Published weights into a model, by the names of its family. The way back is pretrained/saving.py."""

import dataclasses
import logging
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from errors import InputError
from layer_stacks import single_paths, stack_of
from models.build import OF_DECODER
from models.config import EncoderDecoderConfig, LongformerConfig
from models.heads import SequenceClassifier
from pretrained.families import FAMILIES
from pretrained.family import Family, Head, Part
from pretrained.files import read_config, stored_weights
from pretrained.stored import DTYPES, Stored, read_weights, same_values
from skeleton import BuildModel, Skeleton

LARGEST = 2**31 - 1
DEPTHS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers")
DEPTHS += ("num_decoder_layers",)
SHARED_DEPTH = 1000  # turns of layers that share their weights, so that their number says little
OLD_LEAVES = {"gamma": "weight", "beta": "bias"}  # of norms, in files of 2018 and 2019

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A directory whose config.json and headers agree with each other; no weight is read yet."""

    family: Family
    architecture: str
    cfg: Any
    skeleton: Skeleton
    stored: Mapping[str, Stored]
    parts: Mapping[str, Part]  # where each single parameter of ours lies in the files


def load(directory: str | Path, *, architecture: str = "", **sizes: Any) -> nnx.Module:
    """The model that a directory in transformers' format holds; its parameters are float32.

    `architecture` asks for another head than config.json names, as "BertModel" does for no head; the weights must be
    that one's, no fewer and no more. `sizes` change what config.json does not decide: `dtype`, `scan`, `remat`, dropout
    rates, `max_global_tokens`, `implementation`. Of a Longformer no token is global unless `global_attention_mask` says
    so, where transformers' classifiers mark the first one and its readers the question, if they are given none.

    Raises:
      InputError: an unknown family, setting or architecture; files that cannot be read; or weights that are missing,
        too many, of other shapes, or there twice with different values, all of them named.
    """
    found = examined(Path(directory), architecture=architecture, **sizes)
    return found.skeleton.join(_read(found))


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
        skeleton = Skeleton(_builder(family, family.heads[architecture], cfg, config, stored))
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    parts = _paired(family, architecture, skeleton.shapes, stored, directory)
    return Published(family, architecture, cfg, skeleton, stored, parts)


def holds(directory: str | Path) -> bool:
    """Whether it is a directory in transformers' format, sound or not."""
    try:
        return "model_type" in read_config(Path(directory))
    except InputError:
        return False


def sizes(directory: str | Path) -> dict[str, Any]:
    """The net's sizes by the names of the model section of a recipe, and what a classifier of texts does with them.

    Raises:
      InputError: as `examined`.
    """
    found, config = examined(Path(directory)), read_config(Path(directory))
    head = found.family.heads[found.architecture]
    options = head.options(config, found.stored)
    if not isinstance(found.cfg, EncoderDecoderConfig):
        net = {"name": found.family.net.__name__.lower()} | dataclasses.asdict(found.cfg)
        told = {"pooling": options.get("pooling", "first"), "classifier": options.get("kind", "")}
        return net | (told if head.build is SequenceClassifier else {})
    encoder, decoder = found.cfg.encoder, found.cfg.decoder
    own = {name: getattr(decoder, name) for name in OF_DECODER}
    own = {
        f"decoder_{name}": value for name, value in own.items() if name == "depth" or value != getattr(encoder, name)
    }
    own |= {ours: options[name] for name, ours in OPTIONS.items() if name in options}
    name = "longformer" if isinstance(encoder, LongformerConfig) else "transformer"
    return {"name": name, "decoder_start": _decoder_start(config)} | dataclasses.asdict(encoder) | own


OPTIONS = {"tied": "tied_output", "scaled": "scaled_output", "biased": "output_bias"}
"""Of a `Generator`, by the names of the model section."""


def _decoder_start(config: Mapping[str, Any]) -> str:
    """Which special token stands before what is written; published configs of old lack it."""
    start = config.get("decoder_start_token_id")
    for role, name in (("sep", "eos_token_id"), ("pad", "pad_token_id"), ("cls", "bos_token_id")):
        if start is not None and start == config.get(name):
            return role
    return "pad" if config["model_type"] == "t5" else "sep"


def _family_of(config: Mapping[str, Any], directory: Path) -> Family:
    if "auto_map" in config:
        raise InputError(
            f"{directory}: auto_map of config.json asks for Python code of that repository, which is never run here; "
            "only models of the families listed by `python -m pretrained` can be read"
        )
    name = config.get("model_type")
    for family in FAMILIES.values():
        if family.model_type == name and family.marks(config):
            return family
    known = dict.fromkeys(family.model_type for family in FAMILIES.values())
    raise InputError(f"{directory}: model_type {name!r} of config.json is not one of {', '.join(known)}")


def _asked_architecture(config: Mapping[str, Any], family: Family, directory: Path) -> str:
    named = config.get("architectures") or [family.bare]
    if not isinstance(named, list) or len(named) != 1 or not isinstance(named[0], str):
        raise InputError(f"{directory}: config.json must name one architecture, got {named!r}")
    return named[0]


def _changed(cfg: Any, sizes: Mapping[str, Any]) -> Any:
    """With those sizes in place of its own; in an encoder-decoder, in each half that has them."""
    if isinstance(cfg, EncoderDecoderConfig):
        halves = {name: getattr(cfg, name) for name in ("encoder", "decoder")}
        _refuse_unknown(sizes, *halves.values())
        return EncoderDecoderConfig(**{name: _replaced(half, sizes) for name, half in halves.items()})
    _refuse_unknown(sizes, cfg)
    return _replaced(cfg, sizes)


def _replaced(cfg: Any, sizes: Mapping[str, Any]) -> Any:
    return dataclasses.replace(cfg, **{name: value for name, value in sizes.items() if hasattr(cfg, name)})


def _refuse_unknown(sizes: Mapping[str, Any], *cfgs: Any) -> None:
    known = {field.name for cfg in cfgs for field in dataclasses.fields(cfg)}
    if unknown := sizes.keys() - known:
        names = " or ".join(dict.fromkeys(type(cfg).__name__ for cfg in cfgs))
        raise InputError(f"{', '.join(sorted(unknown))} is no size of {names}")


def _refuse_far_too_large(config: Mapping[str, Any], *, weights: int) -> None:
    """What could not even be described: shapes are compared with those in the files later."""
    for name, value in config.items():
        if isinstance(value, int) and value > LARGEST:
            raise InputError(f"config.json: {name}={value} is more than any model has")
    most = max(weights, SHARED_DEPTH) if "num_hidden_groups" in config else weights
    for name in DEPTHS:
        if isinstance(config.get(name), int) and config[name] > most:
            raise InputError(f"config.json has more layers than the files have weights: {name}={config[name]}")


def _builder(
    family: Family, head: Head, cfg: Any, config: Mapping[str, Any], stored: Mapping[str, Stored]
) -> BuildModel:
    options, net = head.options(config, stored), head.net or family.net
    own = getattr(cfg, head.half) if head.half else cfg
    return lambda rngs: head.build(net(own, rngs=rngs), **options, rngs=rngs)


def _paired(
    family: Family, architecture: str, flat: Mapping[str, Any], stored: Mapping[str, Stored], directory: Path
) -> dict[str, Part]:
    """Where each single parameter of ours lies in the files, by the name that stands there.

    Raises:
      InputError: names everything that does not fit.
    """
    wanted = _wanted(family, architecture, flat)
    shapes = {part.name: part.whole_shape(path, shape) for path, (part, shape) in wanted.items()}
    head = family.heads[architecture]
    known = shapes.keys() | head.repeated.keys()
    current = {name: _current(name, family.prefix_of(architecture), family, known) for name in stored}
    there = {now: name for name, now in current.items()}
    problems = [f"{name} is there twice" for name, now in current.items() if there[now] != name]
    for name, shape in shapes.items():
        found = stored[there[name]] if name in there else None
        if found is None:
            problems.append(f"{name} is missing")
        elif found.shape != shape:
            problems.append(f"{name} has shape {found.shape}, and config.json asks for {shape}")
        elif found.dtype not in DTYPES:
            problems.append(f"{name} holds {found.dtype}, not floating-point numbers")
    spare = [name for name in there if name not in known]
    left_out = [name for name in spare if any(re.fullmatch(rule, name) for rule in family.left_out)]
    problems += [f"{name} belongs to no part of {architecture}" for name in spare if name not in left_out]
    if problems:
        raise InputError(f"{directory} does not hold a {architecture}: {'; '.join(problems)}")
    twice = {name: first for name, first in head.repeated.items() if name in there and name not in shapes}
    _check_repeated({there[name]: there[first] for name, first in twice.items()}, stored)
    if left_out:
        log.warning("%s: %s has no use for %s", directory, architecture, ", ".join(sorted(left_out)))
    return {path: dataclasses.replace(part, name=there[part.name]) for path, (part, _) in wanted.items()}


def _wanted(family: Family, architecture: str, flat: Mapping[str, Any]) -> dict[str, tuple[Part, tuple[int, ...]]]:
    """By our single paths: where each should lie, and its shape here."""
    return {
        single: (family.counterpart(single, architecture), tuple(leaf.shape[1:] if stack_of(path) else leaf.shape))
        for path, leaf in flat.items()
        for single in single_paths(path)
    }


def _current(name: str, prefix: str, family: Family, known: Set[str]) -> str:
    """The name as transformers writes it now for this architecture; the files may be older, or of another head."""
    module, _, leaf = name.rpartition(".")
    name = f"{module}.{OLD_LEAVES.get(leaf, leaf)}" if module else name
    if name in known:
        return name
    bare = name.removeprefix(f"{family.prefix}.")
    return next((other for other in (bare, prefix + bare) if other in known), name)


def _check_repeated(pairs: Mapping[str, str], stored: Mapping[str, Stored]) -> None:
    if differ := [name for name, first in pairs.items() if not same_values(stored[name], stored[first])]:
        raise InputError(f"{stored[differ[0]].file}: {', '.join(differ)} repeat other weights with other values")


def _read(found: Published) -> dict[str, jax.Array]:
    """The parameters, each put together from where it lies in the files, if layers are stacked from several places."""
    shapes, parts = found.skeleton.shapes, found.parts
    stored = {
        path: [parts[single].of_stored(single, found.stored[parts[single].name]) for single in single_paths(path)]
        for path in shapes
    }
    return read_weights(stored, shapes, lambda path, value: parts[single_paths(path)[0]].turn(path, value))
