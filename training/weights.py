"""Where starting weights, and the weights that are evaluated, come from."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
from jax.sharding import Mesh

from errors import InputError
from layer_stacks import arranged
from skeleton import Skeleton, parameters, with_global_maps
from tasks.task import Task
from training.mesh import replicated
from training.restore import restore_best, stored_steps
from training.run_directory import as_tuples, has_checkpoint, read_config
from training.state import transfer

log = logging.getLogger(__name__)

SIZES = (
    "name",
    "width",
    "depth",
    "heads",
    "mlp_width",
    "key_width",
    "embedding_width",
    "layer_order",
    "positions",
    "padding_place",
    "counted_places",
    "norm",
    "norm_kind",
    "embedding_norm",
    "biases",
    "scaled_words",
    "scaled_scores",
    "activation",
    "token_types",
    "decoder_depth",
    "decoder_heads",
    "decoder_mlp_width",
    "decoder_start",
    "tied_output",
    "scaled_output",
    "output_bias",
)
"""Keys of the config's model section that decide the shape or the meaning of the encoder's weights."""

OF_POSITIONS = {
    "learned": ("max_positions", "decoder_max_positions"),
    "rotary": ("rotary_base", "window_rotary_base"),
    "relative": ("relative_buckets", "relative_distance"),
}
"""Those that do so with such positions."""

SEEN = ("windows", "dilations", "causal")
"""Keys that say what a token sees: a run may change them from the one that it starts from."""

OF_THE_HEAD = ("pooling", "classifier")
"""Keys that a finished model must be asked with as it was trained; a run that starts from it may change them."""

ALONE = ("norm_epsilon", "classifier")
"""Keys that two runs of this project may have different, but that a published model's weights were made with."""

GAINED = {"token_types": (0, None), "name": ("transformer", "longformer")}
"""What a run may add to the net that it starts from, as the value there and here (None = any): a table of token types,
which begins fresh; windows and global tokens, whose projections begin as those of the others."""

ADAPTATION = ("lora_rank", "lora_alpha", "lora_maps")


@dataclass(frozen=True)
class Given:
    """Parameters of a finished or earlier run, each array checked against its digest."""

    params: dict[str, jax.Array]
    step: int
    directory: Path

    @property
    def told(self) -> str:
        return f"checkpoint {self.step} of {self.directory}" if self.step else str(self.directory)


class Published(Protocol):
    """What reads models that others have published."""

    def holds(self, directory: Path) -> bool:
        """Whether a published model lies there."""

    def sizes(self, directory: Path) -> Mapping[str, Any]:
        """By the names of the config's model section."""

    def load(self, directory: Path) -> Any:
        """The model."""


@dataclass(frozen=True)
class PublishedSource:
    """A directory in transformers' format."""

    directory: Path
    published: Published

    @property
    def tokenizer(self) -> Path:
        return self.directory

    def load(self, mesh: Mesh, *, like: Iterable[str]) -> Given:
        """As `Source.load`; no step was made here."""
        params = parameters(self.published.load(self.directory))
        return Given(_fitted(jax.device_put(params, replicated(mesh)), like), 0, self.directory)


@dataclass(frozen=True)
class Source:
    """A work directory whose best checkpoint gives parameters."""

    directory: Path
    best: str
    verify: bool

    @property
    def tokenizer(self) -> Path:
        return self.directory / "tokenizer"

    def load(self, mesh: Mesh, *, like: Iterable[str]) -> Given:
        """The best checkpoint, or the best of those that are intact, with a line on standard error for each other.

        Layers are stacked as the parameters named in `like` are; see GAINED for what may be there alone.
        """
        params, step = restore_best(self.directory / "checkpoints", mesh, best=self.best, verify=self.verify)
        return Given(_fitted(params, like), step, self.directory)


def _fitted(params: Mapping[str, jax.Array], like: Iterable[str]) -> dict[str, jax.Array]:
    paths = tuple(like)
    return with_global_maps(arranged(params, paths), paths)


def take_sizes(config: Any, published: Published) -> None:
    """With `model.from_init`, gives `config.model` what it is in the work directory's own run, or in `init_from`.

    Raises:
      InputError: there is neither, or no net of a recipe lies there.
    """
    if not config.model.from_init:
        return
    directory = Path(config.workdir)
    if not has_checkpoint(directory):
        if not config.init_from:
            raise InputError("model.from_init takes the net of init_from, which is empty: name a directory there")
        directory = Path(config.init_from)
    there = published.sizes(directory) if published.holds(directory) else read_config(directory)["model"]
    keys = ("vocab_size", *SIZES, *sum(OF_POSITIONS.values(), ()), *ALONE, *SEEN)
    taken = {key: there[key] for key in keys if key in there}
    config.model.update({key: as_tuples(value) for key, value in taken.items()})


def starting_source(config: Any, published: Published) -> Source | PublishedSource | None:
    """What `init_from` names; None where it is empty, or where a checkpoint needs nothing of it any more.

    Raises:
      InputError: no such work directory, no checkpoint in it, or a model of other sizes (each key is named).
    """
    if not config.init_from or has_checkpoint(Path(config.workdir)):
        return None
    directory = Path(config.init_from)
    if not (published.holds(directory) or (directory / "config.json").exists()):
        raise InputError(
            f"init_from={directory} is no work directory and no published model: it has no config.json; train it "
            "first, or begin from nothing with --config.init_from="
        )
    return _source(directory, config, published, starting=True)


def finished_source(config: Any, published: Published) -> Source | PublishedSource:
    """The work directory's own checkpoint if it has one, else what `init_from` names.

    Raises:
      InputError: neither has one, or it belongs to a model of other sizes.
    """
    directory = Path(config.workdir)
    if not has_checkpoint(directory) and config.init_from:
        directory = Path(config.init_from)
    return _source(directory, config, published, also=OF_THE_HEAD)


def _source(
    directory: Path, config: Any, published: Published, *, also: tuple[str, ...] = (), starting: bool = False
) -> Source | PublishedSource:
    outside = published.holds(directory)
    there = {"model": dict(published.sizes(directory))} if outside else read_config(directory)
    there, here = (json.loads(json.dumps(each)) for each in (there, config.model.to_dict()))  # tuples become lists
    keys = (*SIZES, *OF_POSITIONS.get(here["positions"], ()), *(ALONE if outside else ()), *also)
    differ = [
        f"model.{key} is {there['model'][key]!r} there and {here[key]!r} here"
        for key in dict.fromkeys(keys)
        if key in there["model"] and there["model"][key] != here[key]
        if not (starting and _gained(key, there["model"][key], here[key]))
    ]
    rank = there["model"]["lora_rank"]
    if rank and any(there["model"][key] != here[key] for key in ADAPTATION):
        differ.append(f"its weights are adapted: set model.lora_rank={rank} and the other model.lora_* as there")
    if differ:
        raise InputError(f"{directory} holds another model: {'; '.join(differ)}")
    _tell_what_is_seen_otherwise(there["model"], here, directory)
    if outside:
        return PublishedSource(directory, published)
    if not has_checkpoint(directory):
        raise InputError(f"{directory} has no checkpoint; train it first")
    if starting and (made := stored_steps(directory / "checkpoints")[0]) < (steps := there["train"]["steps"]):
        log.warning("%s is unfinished: %d of its %d steps are made", directory, made, steps)
    return Source(directory, there["checkpoint"]["best"], config.checkpoint.verify)


def _gained(key: str, there: Any, here: Any) -> bool:
    if key not in GAINED:
        return False
    before, after = GAINED[key]
    return there == before and after in (None, here)


def _tell_what_is_seen_otherwise(there: Mapping[str, Any], here: Mapping[str, Any], directory: Path) -> None:
    if there["name"] != here["name"]:
        windows = ", ".join(map(str, here["windows"]))
        log.warning("model.name is %s here, windows of %s; in %s a token saw all", here["name"], windows, directory)
    for key in ("causal",) if "transformer" in (there["name"], here["name"]) else SEEN:
        pair = [each.get(key, here[key]) for each in (there, here)]
        pair = [value * here["depth"] if isinstance(value, list) and len(value) == 1 else value for value in pair]
        if pair[0] != pair[1]:
            log.warning("model.%s is %s here; the weights of %s were made with %s", key, pair[1], directory, pair[0])


def other_classes(given: Given, task: Task) -> tuple[str, ...]:
    """What the model in `given` tells apart, where that is not what the task does; () = it is, or is not said."""
    there, here = task.classes_of(given.directory), task.classes
    return there if [name.casefold() for name in there] != [name.casefold() for name in here] else ()


def check_complete(given: Given, skeleton: Skeleton, task: Task) -> dict[str, jax.Array]:
    """The parameters cut to what the model has.

    Raises:
      InputError: some parameter of the model is not in the checkpoint, so that its answers would be noise, or the model
        tells other classes apart, or in another order.
    """
    if names := other_classes(given, task):
        raise InputError(f"{given.directory} tells apart {_listed(names)} in this order: set data.classes to them")
    report = transfer(given.params, skeleton.shapes, name=str(given.directory))
    if report.fresh:
        raise InputError(
            f"{given.directory} was trained for another task: it has no {', '.join(report.fresh[:3])}; train this task "
            "first, with --config.init_from to start from it"
        )
    return {name: given.params[name] for name in report.taken}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
