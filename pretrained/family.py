"""What a family of published models is here: its sizes, its wiring, and one table of names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flax import nnx

from errors import InputError
from models.config import TransformerConfig
from models.stack import Encoder

LEAVES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}
_NUMBER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Head:
    """What stands on the encoder.

    `modules`: theirs by ours. `repeated`: names under which files may hold a weight a second time, each with the name
    that counts. `counts_classes`: `build` is told how many, and the dropout before them.
    """

    build: type[nnx.Module]
    modules: Mapping[str, str] = field(default_factory=dict)
    repeated: Mapping[str, str] = field(default_factory=dict)
    counts_classes: bool = False


@dataclass(frozen=True)
class Family:
    """`modules`: theirs by ours, `*` for a layer's number; `prefix` stands before those of the encoder under a head.

    `counts_places`: the place of a token is its number among the real ones, after that of padding.
    `left_out`: regular expressions of whole names that files of the family hold for parts that the asked head lacks.
    """

    model_type: str
    net: type[Encoder]
    prefix: str
    modules: Mapping[str, str]
    heads: Mapping[str, Head]  # by architecture; the first is the one without a task
    left_out: tuple[str, ...]
    counts_places: bool
    sizes: Callable[[Mapping[str, Any]], TransformerConfig]  # of config.json
    settings: Callable[[Any], dict[str, Any]]  # config.json of sizes

    @property
    def bare(self) -> str:
        return next(iter(self.heads))

    def counterpart(self, path: str, architecture: str) -> str:
        """Their name of our parameter.

        Raises:
          InputError: the parameter is of a part that published models of this family do not have.
        """
        module, _, leaf = path.rpartition(".")
        if module in self.heads[architecture].modules:
            return f"{self.heads[architecture].modules[module]}.{LEAVES[leaf]}"
        number = _NUMBER.search(module)
        general = _NUMBER.sub(".*.", module, count=1) if number else module
        theirs = self.modules.get(general.removeprefix("encoder."))
        if theirs is None or leaf not in LEAVES or not module.startswith("encoder."):
            raise InputError(f"{path} has no counterpart in {architecture}")
        prefix = "" if architecture == self.bare else f"{self.prefix}."
        return f"{prefix}{theirs.replace('*', number[1]) if number else theirs}.{LEAVES[leaf]}"
