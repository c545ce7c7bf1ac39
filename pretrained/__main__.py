"""What a directory of a published model holds: `python -m pretrained DIRECTORY`; without one, which families are read.

Prints the family and its sizes, the memory that a forward pass takes at a few lengths, and every weight with its name
there, as `model name  shape  name in the files`.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx

from errors import InputError
from layer_stacks import single_paths
from models.config import TransformerConfig
from pretrained import exchange
from pretrained.files import read_config, stored_weights

LENGTHS = (128, 512, 4096)
MIB = 2**20


def describe(directory: Path, *, lengths: tuple[int, ...] = LENGTHS) -> str:
    """Raises InputError for what `pretrained.load` refuses."""
    config, stored = read_config(directory), stored_weights(directory)
    family = exchange.family_of(config, directory)
    architecture = exchange.asked_architecture(config, family, directory)
    cfg = exchange.read_sizes(family, config, directory, stored)
    build = exchange.builder(family, architecture, cfg, config)
    shapes = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    flat = {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(shapes))}
    names = exchange.pair(family, architecture, flat, stored, directory)
    count = sum(leaf.size for leaf in flat.values())
    kinds = sorted({each.dtype for each in stored.values()})
    lines = [
        f"{architecture} of the family {family.model_type}: here {type(shapes).__name__} on {family.net.__name__}",
        f"{count:,} parameters, {count * 4 / MIB:,.1f} MiB in float32; stored as {', '.join(kinds)}",
        "",
        *(f"  model.{name} = {value!r}" for name, value in _told(cfg).items()),
        "",
        "memory of a forward pass beside the weights, one row, as compiled for this machine",
        *(f"  {length:>6,} tokens  {_temporary(shapes, length) / MIB:>8,.1f} MiB" for length in _fitting(cfg, lengths)),
        "",
        *_table(flat, names),
    ]
    return "\n".join(lines)


def _told(cfg: TransformerConfig) -> dict[str, object]:
    """The sizes that differ from the defaults, as keys of a recipe."""
    return {
        field.name: getattr(cfg, field.name)
        for field in dataclasses.fields(cfg)
        if getattr(cfg, field.name) != field.default
    }


def _fitting(cfg: TransformerConfig, lengths: tuple[int, ...]) -> list[int]:
    return [length for length in lengths if length < cfg.longest] + [cfg.longest]


def _temporary(shapes: nnx.Module, length: int) -> int:
    graph, state = nnx.split(shapes)
    ids = jax.ShapeDtypeStruct((1, length), jnp.int32)
    compiled = jax.jit(lambda state, ids: nnx.merge(graph, state)(ids)).lower(state, ids).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def _table(flat: dict[str, nnx.Variable], names: dict[str, str]) -> list[str]:
    rows = [
        (single, " x ".join(map(str, leaf.shape)), names[single])
        for path, leaf in flat.items()
        for single in single_paths(path)
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{ours:<{widths[0]}}  {shape:<{widths[1]}}  {theirs}" for ours, shape, theirs in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pretrained", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?")
    directory = parser.parse_args().directory
    if directory is None:
        for family in exchange.FAMILIES.values():
            print(f"{family.model_type}: {', '.join(family.heads)}")
        return
    try:
        print(describe(directory))
    except InputError as error:
        sys.exit(f"python -m pretrained: {error}")


if __name__ == "__main__":
    main()
