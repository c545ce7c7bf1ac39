"""CIFAR-10 in grey, pixel by pixel: 1,024 words from 256 (Tay et al. 2020, section 2.2).

    python -m experiments.long_range.images --source=cifar10_jpg --out=runs/data
    python -m experiments.long_range.images --source=tfds --out=runs/data       # CIFAR-10 by TFDS

A directory should hold {train,test}.tar.xz with images of 32 x 32 in a folder for each class. Every tenth training
image of each class is for validation. Brightness is that of ITU-R 601 (0.299, 0.587, 0.114). Written are
image/{train,validation,test}.jsonl and image/tokenizer.json.
"""

import io
import lzma
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.tfds import read_tfds
from errors import InputError
from experiments.finetuning.prepare import Example, Summary
from experiments.long_range.sequences import GREYS, of_pixels, write_task
from experiments.preparing import command

HELD_OUT = 10  # one in so many training images of each class is for validation
SIDE = 32  # pixels


def from_archive(path: Path) -> Iterator[Example]:
    """The images of a .tar archive in the order of their names.

    Raises:
      InputError: there is no such archive, or a file of it is not an image of 32 x 32 in the folder of its class.
    """
    try:
        with tarfile.open(path) as archive:
            found = {file.name: archive.extractfile(file).read() for file in archive if file.isfile()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; --source should hold train.tar.xz and test.tar.xz") from error
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        raise InputError(f"{path}: the archive is cut short or damaged ({error}); fetch it again") from error
    for name in sorted(found):
        try:
            image = Image.open(io.BytesIO(found[name]))
            grey = np.asarray(image.convert("L"))
        except (UnidentifiedImageError, OSError) as error:
            raise InputError(f"{path}: {name} is not an image ({error})") from error
        folder = PurePosixPath(name).parent.name
        if not folder or grey.shape != (SIDE, SIDE):
            raise InputError(f"{path}: {name} should be {SIDE} x {SIDE} pixels in a folder named for its class")
        yield of_pixels(grey, folder)


def from_tfds(split: str) -> Iterator[Example]:
    """CIFAR-10 of TFDS, downloaded where it is not yet; labels are its numbers."""
    for record in read_tfds("cifar10", split=split, fields=("image", "label"), prepare=True):
        grey = np.asarray(Image.fromarray(record.values["image"]).convert("L"))
        yield of_pixels(grey, str(record.values["label"]))


def held_out(sequences: Iterator[Example], *, wanted: bool) -> Iterator[Example]:
    """Every tenth of each class if `wanted`, else the others."""
    counts: dict[str, int] = {}
    for each in sequences:
        at = counts.get(each.label, 0)
        counts[each.label] = at + 1
        if (at % HELD_OUT == 0) == wanted:
            yield each


def prepare(source: Path, out: Path) -> list[Summary]:
    """Writes `out`/image."""

    def read(split: str) -> Iterator[Example]:
        return from_tfds(split) if source == Path("tfds") else from_archive(source / f"{split}.tar.xz")

    splits = {"train": held_out(read("train"), wanted=False), "validation": held_out(read("train"), wanted=True)}
    return write_task(out / "image", GREYS, splits | {"test": read("test")})


def main(arguments: list[str] | None = None) -> int:
    return command(prepare, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
