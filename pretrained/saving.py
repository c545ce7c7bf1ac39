"""A model's weights out, as its family is published."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from errors import InputError
from layer_stacks import single_paths, stack_of
from models.config import EncoderDecoderConfig
from models.lora import merged
from pretrained.families import FAMILIES
from pretrained.family import Family, Head, Part
from pretrained.files import read_config, write
from skeleton import parameters

SHARD_BYTES = 5_000_000_000  # as transformers cuts them
KEPT = re.compile(r".*_token_ids?|id2label|label2id|problem_type|task_specific_params")
FREE = ("dtype", "remat", "scan", "implementation", "max_global_tokens", "dropout_rate", "attention_dropout_rate")
FREE += ("lora_alpha", "lora_maps")
"""Sizes that config.json does not decide, or that change no answer."""


def save(
    model: nnx.Module,
    directory: str | Path,
    *,
    family: str = "",
    pad_token_id: int | None = None,
    classes: Sequence[str] = (),
    like: str | Path = "",
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes config.json and safetensors that transformers' `from_pretrained` loads with nothing missing or left over.

    `family`: one of `pretrained.FAMILIES`; told from the model where it is left out. `pad_token_id`: the tokenizer's;
    from it transformers' RoBERTa and Longformer tell which tokens to count. `classes`: names for a classifier's.
    `like`: a directory whose config.json gives what a model does not know of itself: the ids of special tokens, and the
    names of classes.

    Raises:
      InputError: the model has parts that the family does not, or not as many classes as names.
    """
    if family and family not in FAMILIES:
        raise InputError(f"family={family!r} is not one of {', '.join(FAMILIES)}")
    plan = _plan(model, FAMILIES[family], pad_token_id) if family else _family_like(model, pad_token_id)
    config = {"model_type": plan.family.model_type, "architectures": [plan.architecture], "dtype": "float32"}
    config |= plan.config | _kept(like, plan) | _named_classes(classes, plan)
    if pad_token_id is not None:
        config["pad_token_id"] = pad_token_id
    write(Path(directory), config, _weights(plan), shard_bytes=shard_bytes)


def _kept(like: str | Path, plan: "Plan") -> dict[str, Any]:
    """What the config.json of `like` has beside sizes; names of classes only if there are as many of them."""
    kept = {name: value for name, value in (read_config(Path(like)) if like else {}).items() if KEPT.fullmatch(name)}
    names = kept.get("id2label", {})
    if not isinstance(names, dict) or len(names) != len(plan.config.get("id2label", ())):
        kept = {name: value for name, value in kept.items() if name not in ("id2label", "label2id")}
    if "padding_place" in plan.family.fills:
        kept.pop("pad_token_id", None)  # which is a place too
    return kept


def _named_classes(classes: Sequence[str], plan: "Plan") -> dict[str, Any]:
    if not classes:
        return {}
    count = len(plan.config.get("id2label", ()))
    if len(classes) != count or len(set(classes)) != count:
        raise InputError(f"the model tells {count} classes; as many different names are needed, got {list(classes)}")
    names = {str(number): name for number, name in enumerate(classes)}
    return {"id2label": names, "label2id": {name: int(number) for number, name in names.items()}}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a model is written. `config`: what config.json says of its sizes; `fills`: how many tables were made up."""

    family: Family
    architecture: str
    config: dict[str, Any]
    params: dict[str, Any]
    fills: int


def _family_like(model: nnx.Module, pad_token_id: int | None) -> Plan:
    """In the family that has the model as it is; else in the first for which tables can be made up."""
    plans, told = [], []
    for family in FAMILIES.values():
        if _architecture(model, family):
            try:
                plans.append(_plan(model, family, pad_token_id))
            except InputError as error:
                told.append(str(error))
    if plans:
        return min(plans, key=lambda plan: plan.fills)
    raise InputError(f"no published family has this {_named(model)}" + "".join(f"; {each}" for each in told))


def _plan(model: nnx.Module, family: Family, pad_token_id: int | None) -> Plan:
    """Raises InputError, naming what differs, for a model that would be read back as another."""
    architecture = _architecture(model, family)
    if not architecture:
        raise InputError(f"{_named(model)} is none of {family.name}'s models: {', '.join(family.heads)}")
    (cfg, params), fills = _unadapted(_net(model).cfg, parameters(model)), 0
    if family.heads[architecture].half:
        cfg = EncoderDecoderConfig(encoder=cfg, decoder=dataclasses.replace(cfg, causal=True))
    if "token_type" in family.fills and not cfg.token_types:
        params |= {"encoder.embeddings.token_type.embedding": jnp.zeros((1, cfg.table_width))}
        cfg, fills = dataclasses.replace(cfg, token_types=1), fills + 1
    if "padding_place" in family.fills and cfg.padding_place < 0 and cfg.positions == "learned":
        table = "encoder.embeddings.position.embedding"
        unused = (1 if pad_token_id is None else pad_token_id) + 1
        params[table] = jnp.pad(params[table], ((unused, 0), (0, 0)))
        places = {"padding_place": unused - 1, "max_positions": cfg.max_positions + unused}
        cfg, fills = dataclasses.replace(cfg, **places), fills + 1
    if "padding_place" in family.fills and cfg.positions != "learned":
        raise InputError(f"it is no {family.name} (positions={cfg.positions!r}, theirs is 'learned')")
    if "padding_place" in family.fills and pad_token_id not in (None, cfg.padding_place):
        raise InputError(
            f"padding is token {pad_token_id} and stands at place {cfg.padding_place}: in {family.name} both are one "
            "number"
        )
    config = family.settings(cfg)
    _refuse_changed(cfg, family, config)
    config |= family.heads[architecture].told(model)
    _refuse_other_head(model, family.heads[architecture], config, family)
    return Plan(family, architecture, config, params, fills)


def _unadapted(cfg: Any, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """With low-rank adaptations added to the matrices that they stand beside: no published family has any."""
    if isinstance(cfg, EncoderDecoderConfig):
        halves = {name: dataclasses.replace(getattr(cfg, name), lora_rank=0) for name in ("encoder", "decoder")}
        written = {path: value for path, value in params.items() if ".decoder." in f".{path}"}
        read = {path: value for path, value in params.items() if path not in written}
        plain = merged(read, cfg.encoder.lora_alpha) | merged(written, cfg.decoder.lora_alpha)
        return EncoderDecoderConfig(**halves), plain
    return dataclasses.replace(cfg, lora_rank=0), merged(params, cfg.lora_alpha)


def _refuse_changed(cfg: Any, family: Family, config: dict[str, Any]) -> None:
    try:
        again = family.sizes(config)
    except InputError as error:
        raise InputError(f"it is no {family.name} ({error})") from error
    if not family.marks(config):
        raise InputError(f"it is no {family.name}")
    theirs = dict(_flat(again))
    differ = [
        f"{name}={ours!r}, theirs is {theirs.get(name)!r}"
        for name, ours in _flat(cfg)
        if ours != theirs.get(name) and name.rpartition(".")[2] not in FREE
    ]
    if differ:
        raise InputError(f"it is no {family.name} ({'; '.join(differ)})")


def _flat(cfg: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(cfg):
        value = getattr(cfg, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flat(value, f"{field.name}.")
        else:
            yield prefix + field.name, value


def _net(model: nnx.Module) -> nnx.Module:
    return model.net if hasattr(model, "net") else model.encoder


def _named(model: nnx.Module) -> str:
    return f"{type(model).__name__} on a {type(_net(model)).__name__}"


def _architecture(model: nnx.Module, family: Family) -> str:
    """The head of the family that the model's is; "" if none."""
    for name, head in family.heads.items():
        if head.build is type(model) and (head.net or family.net) is type(_net(model)):
            return name
    return ""


def _refuse_other_head(model: nnx.Module, head: Head, config: dict[str, Any], family: Family) -> None:
    """Raises InputError where the family's head of that kind computes something else."""
    options, net = head.options(config, parameters(model)), _net(model)
    again = nnx.eval_shape(lambda: head.build(type(net)(net.cfg, rngs=nnx.Rngs(0)), **options, rngs=nnx.Rngs(0)))
    for ours, theirs in zip(_styles(model), _styles(again), strict=True):
        if ours != theirs:
            raise InputError(f"its head is {ours!r}, that of {family.name} {theirs!r}")


def _styles(model: nnx.Module) -> list[Any]:
    """What of a head no parameter shows."""
    parts = (model, getattr(model, "head", None))
    return [getattr(part, name, None) for part in parts for name in ("kind", "pooling", "factor")]


def _weights(plan: Plan) -> dict[str, np.ndarray]:
    """By their names; what lies in one weight of theirs is put together."""
    pieces: dict[str, list[tuple[Part, str, np.ndarray]]] = {}
    for name, value in plan.params.items():
        for path, own in zip(single_paths(name), value if stack_of(name) else [value], strict=True):
            part = plan.family.counterpart(path, plan.architecture)
            pieces.setdefault(part.name, []).append((part, path, part.turn(path, np.asarray(own))))
    return {name: _joined(each) for name, each in pieces.items()}


def _joined(pieces: list[tuple[Part, str, np.ndarray]]) -> np.ndarray:
    """In C order: safetensors writes the memory as it lies, whatever an array's strides say."""
    pieces = sorted(pieces, key=lambda piece: piece[0].index)
    part, path, value = pieces[0]
    whole = value if part.of == 1 else np.concatenate([each for _, _, each in pieces], axis=part.axis(path))
    return np.ascontiguousarray(whole)
