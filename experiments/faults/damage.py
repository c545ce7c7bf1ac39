"""Ways in which a disk, or a hand, may damage a directory: one at random on one file at random."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Damage:
    way: str
    path: str  # of the file or directory, relative to the damaged directory
    kind: str  # which sort of file of a checkpoint it was


def flip_a_bit(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def change_bytes(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(2, 16)):
        content[rng.randrange(len(content))] ^= rng.randint(1, 255)
    path.write_bytes(content)


def zero_a_block(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    stop = min(len(content), start + rng.randint(16, 4096))
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)


def truncate(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


WAYS: dict[str, Callable[[Path, random.Random], None]] = {
    "flip a bit": flip_a_bit,
    "change bytes": change_bytes,
    "zero a block": zero_a_block,
    "truncate": truncate,
    "delete": delete,
}
DIRECTORY = "delete a directory"


def kind_of(path: str) -> str:
    """What a file of an Orbax checkpoint is for, by its path in the step's directory."""
    name = path.rsplit("/", 1)[-1]
    if path.startswith("about/") and name == "metadata":
        return "about"
    if "/d/" in path:
        return f"arrays of {path.split('/')[0]}"
    names = {"_CHECKPOINT_METADATA": "step metadata", "_METADATA": "tree metadata", "process_0": "array metadata"}
    return names.get(name, name.removeprefix("_").split(".")[0])


def damage_at_random(directory: Path, rng: random.Random, *, way: str, kind: str = "") -> Damage:
    """Damages a file of `directory`, one of `kind` if that is given, or a directory below it; says what was done."""
    if way == DIRECTORY:
        target = rng.choice(sorted(path for path in directory.rglob("*") if path.is_dir()))
        shutil.rmtree(target)
        return Damage(way, target.relative_to(directory).as_posix(), "directory")
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
    named = {path.relative_to(directory).as_posix(): path for path in files}
    name = rng.choice([name for name in named if kind in ("", kind_of(name))])
    WAYS[way](named[name], rng)
    return Damage(way, name, kind_of(name))


def kinds_in(directory: Path) -> list[str]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted({kind_of(path.relative_to(directory).as_posix()) for path in files})
