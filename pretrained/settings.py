"""What config.json says, by the names of our sizes; and back."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from errors import InputError

REAL = ("dropout_rate", "attention_dropout_rate", "norm_epsilon")
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}
WRITTEN = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}

log = logging.getLogger(__name__)


def read(config: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """The sizes that `table` lists, ours by theirs.

    Raises:
      InputError: a size is missing or no number.
    """
    if missing := [name for name in table if name not in config]:
        raise InputError(f"config.json lacks {', '.join(missing)}")
    for name, ours in table.items():
        number(config, name, real=ours in REAL)
    return {ours: float(config[theirs]) if ours in REAL else config[theirs] for theirs, ours in table.items()}


def number(config: Mapping[str, Any], name: str, *, real: bool = False) -> Any:
    """`config[name]`. Raises InputError if it is no whole number, or with `real` no number."""
    kind, told = ((int, float), "a number") if real else (int, "a whole number")
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, kind) or (real and not abs(value) <= sys.float_info.max):
        raise InputError(f"config.json: {name} must be {told}, got {value!r}")
    return value


def require(config: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    """Raises InputError where config.json sets what the nets here have one value of to another."""
    for name, value in only.items():
        if config.get(name, value) != value:
            raise InputError(f"config.json: {name}={config[name]!r} is not supported, only {value!r}")


def activation(config: Mapping[str, Any], name: str, default: str = "gelu") -> str:
    """Ours. Raises InputError for one that no net here has."""
    return word(config, name, ACTIVATIONS, default)


def word(config: Mapping[str, Any], name: str, ours: Mapping[str, str], default: str) -> str:
    """Ours for the word that is there. Raises InputError for what is no word of those."""
    value = config.get(name, default)
    if not isinstance(value, str) or value not in ours:
        raise InputError(f"config.json: {name}={value!r} is not supported, only {', '.join(ours)}")
    return ours[value]


def pad_token_id(config: Mapping[str, Any], default: int) -> int:
    pad = config.get("pad_token_id", default)
    if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
        raise InputError(f"config.json: pad_token_id must be a token's id, got {pad!r}")
    return pad


def one_rate(config: Mapping[str, Any], chosen: str, *others: str) -> None:
    """Says where config.json drops out at several rates and the nets here have one for all of these."""
    rates = {name: config[name] for name in (chosen, *others) if isinstance(config.get(name), (int, float))}
    if len(set(rates.values())) > 1:
        told = ", ".join(f"{name}={value}" for name, value in rates.items())
        log.warning("config.json has %s; here one dropout_rate stands for all of them, that of %s", told, chosen)


def written(cfg: Any, table: Mapping[str, str]) -> dict[str, Any]:
    """The part of config.json that `read` reads."""
    return {theirs: getattr(cfg, ours) for theirs, ours in table.items()}
