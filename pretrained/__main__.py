"""What a directory of a published model holds: `python -m pretrained DIRECTORY`; without one, which families are read.

Prints the family and its sizes, the memory that a forward pass takes at a few lengths, and every weight with its name
there, as `model name  shape  name in the files`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp

from errors import InputError
from layer_stacks import single_paths
from models.config import EncoderDecoderConfig, TransformerConfig
from pretrained import exchange
from pretrained.family import Part

LENGTHS = (128, 512, 4096)
MIB = 2**20


def describe(directory: Path, *, lengths: tuple[int, ...] = LENGTHS) -> str:
    """Raises InputError for what `pretrained.load` refuses."""
    found = exchange.examined(directory)
    shapes = found.skeleton.shapes
    count, kinds = found.skeleton.parameter_count, sorted({each.dtype for each in found.stored.values()})
    head = found.family.heads[found.architecture]
    built = f"{head.build.__name__} on {(head.net or found.family.net).__name__}"
    lines = [
        f"{found.architecture} of the family {found.family.name}: here {built}",
        f"{count:,} parameters, {count * 4 / MIB:,.1f} MiB in float32; stored as {', '.join(kinds)}",
        "",
        *_sizes(found.cfg),
        "",
        "memory of a forward pass beside the weights, one row, as compiled for this machine",
        *_memory(found, lengths),
        "",
        *_table(shapes, found.parts),
    ]
    return "\n".join(lines)


def _sizes(cfg: TransformerConfig | EncoderDecoderConfig) -> list[str]:
    """Those that differ from the defaults, as keys of a recipe; of an encoder-decoder each half's."""
    parts = {"model": cfg}
    if isinstance(cfg, EncoderDecoderConfig):
        parts = {"encoder": cfg.encoder, "decoder": cfg.decoder}
    return [f"  {part}.{name} = {value!r}" for part, each in parts.items() for name, value in _differing(each)]


def _differing(cfg: TransformerConfig) -> list[tuple[str, object]]:
    return [
        (field.name, getattr(cfg, field.name))
        for field in dataclasses.fields(cfg)
        if getattr(cfg, field.name) != field.default
    ]


def _memory(found: exchange.Published, lengths: tuple[int, ...]) -> list[str]:
    """At those lengths that the net has places for, and at its longest; what is written is as long as what is read."""
    halves = (found.cfg.encoder, found.cfg.decoder) if isinstance(found.cfg, EncoderDecoderConfig) else (found.cfg,)
    longest = min((half.longest for half in halves if half.positions == "learned"), default=max(lengths))
    fitting = [length for length in lengths if length < longest] + [longest]
    return [f"  {length:>6,} tokens  {_temporary(found, length) / MIB:>8,.1f} MiB" for length in fitting]


def _temporary(found: exchange.Published, length: int) -> int:
    ids = jax.ShapeDtypeStruct((1, length), jnp.int32)
    writes = isinstance(found.cfg, EncoderDecoderConfig) and not found.family.heads[found.architecture].half
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if writes else {})
    call = jax.jit(lambda params, inputs: found.skeleton.join(params)(**inputs))
    return call.lower(found.skeleton.shapes, inputs).compile().memory_analysis().temp_size_in_bytes


def _table(shapes: Mapping[str, jax.ShapeDtypeStruct], parts: Mapping[str, Part]) -> list[str]:
    rows = [
        (single, " x ".join(map(str, leaf.shape)), _told_part(parts[single]))
        for path, leaf in shapes.items()
        for single in single_paths(path)
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{ours:<{widths[0]}}  {shape:<{widths[1]}}  {theirs}" for ours, shape, theirs in rows]


def _told_part(part: Part) -> str:
    return part.name if part.of == 1 else f"{part.name}, part {part.index + 1} of {part.of}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pretrained", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?")
    directory = parser.parse_args().directory
    if directory is None:
        for family in exchange.FAMILIES.values():
            print(f"{family.name}: {', '.join(family.heads)}")
        return
    try:
        print(describe(directory))
    except InputError as error:
        sys.exit(f"python -m pretrained: {error}")


if __name__ == "__main__":
    main()
