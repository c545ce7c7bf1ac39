"""A model's weights out, as its family is published."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from errors import InputError
from layer_stacks import single_paths, stack_of
from models.config import TransformerConfig
from pretrained.exchange import FAMILIES, turned
from pretrained.family import Family
from pretrained.files import write
from skeleton import parameters

SHARD_BYTES = 5_000_000_000  # as transformers cuts them


def save(
    model: nnx.Module,
    directory: str | Path,
    *,
    family: str = "",
    pad_token_id: int | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes config.json and safetensors that transformers' `from_pretrained` loads with nothing missing or left over.

    `family`: "bert", "roberta" or "longformer"; told from the model where it is left out. `pad_token_id`: the
    tokenizer's; from it transformers' RoBERTa and Longformer tell which tokens to count.

    Raises:
      InputError: the model has parts that the family does not.
    """
    chosen = FAMILIES[family] if family else _family_like(model)
    heads = {head.build: name for name, head in chosen.heads.items()}
    if type(model) not in heads:
        raise InputError(f"{type(model).__name__} is no head of {chosen.model_type}")
    architecture = heads[type(model)]
    config: dict[str, Any] = {"model_type": chosen.model_type, "architectures": [architecture], "dtype": "float32"}
    chosen.settings(model.encoder.cfg)  # refuses what no table could complete
    cfg, params = _completed(model.encoder.cfg, parameters(model), chosen, pad_token_id)
    config |= chosen.settings(cfg)
    if pad_token_id is not None:
        config["pad_token_id"] = pad_token_id
    weights: dict[str, np.ndarray] = {}
    for name, value in params.items():
        for single, part in zip(single_paths(name), value if stack_of(name) else [value], strict=True):
            weights[chosen.counterpart(single, architecture)] = np.ascontiguousarray(turned(single, np.asarray(part)))
    if chosen.heads[architecture].counts_classes:
        head = getattr(model, "head", model)
        labels = {str(number): f"LABEL_{number}" for number in range(head.output.kernel.shape[-1])}
        config |= {"id2label": labels, "label2id": {name: int(number) for number, name in labels.items()}}
        config["classifier_dropout"] = head.rate
    write(Path(directory), config, weights, shard_bytes=shard_bytes)


def _completed(
    cfg: TransformerConfig, params: dict[str, jax.Array], family: Family, pad_token_id: int | None
) -> tuple[TransformerConfig, dict[str, jax.Array]]:
    """The same model with the tables that the family cannot be without: a token type that adds nothing, and places
    that no text uses below those of real tokens.
    """
    tables = "encoder.embeddings"
    if not cfg.token_types:
        params = params | {f"{tables}.token_type.embedding": jnp.zeros((1, cfg.width))}
        cfg = dataclasses.replace(cfg, token_types=1)
    if family.counts_places and cfg.padding_place < 0 and cfg.positions == "learned":
        unused = (1 if pad_token_id is None else pad_token_id) + 1
        table = params[f"{tables}.position.embedding"]
        params = params | {f"{tables}.position.embedding": jnp.pad(table, ((unused, 0), (0, 0)))}
        cfg = dataclasses.replace(cfg, padding_place=unused - 1, max_positions=cfg.max_positions + unused)
    if family.counts_places and pad_token_id not in (None, cfg.padding_place):
        raise InputError(
            f"padding is token {pad_token_id} and stands at place {cfg.padding_place}: in {family.model_type} both are "
            "one number"
        )
    return cfg, params


def _family_like(model: nnx.Module) -> Family:
    fits = [family for family in FAMILIES.values() if type(model.encoder) is family.net]
    fits = [f for f in fits if len(fits) == 1 or f.counts_places == (model.encoder.cfg.padding_place >= 0)]
    if len(fits) != 1:
        raise InputError(f"a {type(model.encoder).__name__} is of no family here: {', '.join(FAMILIES)}")
    return fits[0]
