"""What a family of published models is here: its sizes, its wiring, and one table of names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flax import nnx

from errors import InputError
from pretrained.stored import Stored

LEAVES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}
_NUMBER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Part:
    """Where a parameter of ours lies in their files: the part `index` of `of` equal ones, along its outputs, of `name`.

    `turned`: they keep a map's matrix with its outputs first, as PyTorch's Linear does; Flax has its inputs first.
    """

    name: str
    index: int = 0
    of: int = 1
    turned: bool = True

    def whole_shape(self, path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the weight in the files, if our parameter `path` has `shape`."""
        *rest, outputs = shape
        whole = (*rest, outputs * self.of) if self.of > 1 else shape
        return whole[::-1] if self._transposed(path) else whole

    def of_stored(self, path: str, stored: Stored) -> Stored:
        """The part itself of the weight in the files."""
        return stored if self.of == 1 else stored.part(self.index, self.of, axis=self.axis(path))

    def turn(self, path: str, value: Any) -> Any:
        """Our parameter as the part lies in the files, and back."""
        return value.T if self._transposed(path) else value

    def axis(self, path: str) -> int:
        """Of the weight in the files, along which its parts lie one after the other."""
        return 0 if self._transposed(path) else -1

    def _transposed(self, path: str) -> bool:
        return self.turned and path.endswith("kernel")


Names = Mapping[str, str | Part]


def no_options(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Head:
    """What stands on the net.

    `modules`: theirs by ours. `repeated`: names under which files may hold a weight a second time, each with the name
    that counts. `options`: what `build` is told, from config.json and the names in the files. `told`: the part of
    config.json that says it. `prefix` stands before the net's names, if not the family's own. `half`: it stands on that
    half alone of an encoder-decoder, which is a `net`.
    """

    build: type[nnx.Module]
    modules: Names = field(default_factory=dict)
    repeated: Mapping[str, str] = field(default_factory=dict)
    options: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]] = no_options
    told: Callable[[Any], dict[str, Any]] = lambda model: {}
    prefix: str | None = None
    half: str = ""
    net: type[nnx.Module] | None = None


@dataclass(frozen=True)
class Family:
    """`modules`: theirs by ours, `*` for a layer's number; `prefix` stands before those of the net under a head.

    `left_out`: regular expressions of whole names that files of the family hold for parts that the asked head lacks.
    `marks`: whether a config.json of this `model_type` is of this very family.
    `fills`: tables that a model of ours may lack and the family cannot, "token_type" and "padding_place".
    """

    name: str
    model_type: str
    net: type[nnx.Module]
    prefix: str
    modules: Names
    heads: Mapping[str, Head]  # by architecture; the first is the one without a task
    sizes: Callable[[Mapping[str, Any]], Any]  # of config.json
    settings: Callable[[Any], dict[str, Any]]  # config.json of sizes
    left_out: tuple[str, ...] = ()
    marks: Callable[[Mapping[str, Any]], bool] = lambda config: True
    fills: tuple[str, ...] = ()

    @property
    def bare(self) -> str:
        return next(iter(self.heads))

    def prefix_of(self, architecture: str) -> str:
        """What stands before the names of the net, with its dot."""
        own = self.heads[architecture].prefix
        prefix = ("" if architecture == self.bare else self.prefix) if own is None else own
        return f"{prefix}." if prefix else ""

    def counterpart(self, path: str, architecture: str) -> Part:
        """Where our parameter lies in their files.

        Raises:
          InputError: the parameter is of a part that published models of this family do not have.
        """
        head = self.heads[architecture]
        module, _, leaf = path.rpartition(".")
        if path in head.modules:
            return _part(head.modules[path])
        if module in head.modules:
            return _part(head.modules[module], f".{LEAVES[leaf]}")
        number = _NUMBER.search(module)
        general = _NUMBER.sub(".*.", module, count=1) if number else module
        theirs = self.modules.get(general.removeprefix("net."))
        if theirs is None or leaf not in LEAVES:
            raise InputError(f"{path} has no counterpart in {architecture}")
        part = _part(theirs, f".{LEAVES[leaf]}")
        name = part.name.replace("*", number[1]) if number else part.name
        return replace(part, name=self.prefix_of(architecture) + name)


def _part(theirs: str | Part, leaf: str = "") -> Part:
    part = Part(theirs) if isinstance(theirs, str) else theirs
    return replace(part, name=part.name + leaf)
