"""CIFAR-10 in grey, pixel by pixel: 1,024 words from 256 (Tay et al. 2020, section 2.2).

    python -m experiments.long_range.images --from=cifar10_jpg --to=runs/data/image
    python -m experiments.long_range.images --from=tfds --to=runs/data/image      # downloads CIFAR-10 by TFDS

A directory should hold {train,test}.tar.xz with images of 32 x 32 in a folder for each class. Every tenth training
image of each class is for validation. Brightness is that of ITU-R 601 (0.299, 0.587, 0.114). Written are
{train,validation,test}.jsonl and tokenizer.json.
"""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from errors import InputError
from experiments.long_range.sequences import GREYS, Sequence, of_pixels, told, write_sequences, write_vocabulary

HELD_OUT = 10  # one in so many training images of each class is for validation
SIDE = 32  # pixels


def from_archive(path: Path) -> Iterator[Sequence]:
    """The images of a .tar archive in the order of their names.

    Raises:
      InputError: there is no such archive, or a file of it is not an image of 32 x 32 in the folder of its class.
    """
    try:
        with tarfile.open(path) as archive:
            found = {file.name: archive.extractfile(file).read() for file in archive if file.isfile()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; --from should hold train.tar.xz and test.tar.xz") from error
    except (OSError, EOFError, tarfile.TarError) as error:
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


def from_tfds(split: str) -> Iterator[Sequence]:
    import tensorflow_datasets as tfds

    source, info = tfds.data_source("cifar10", split=split), tfds.builder("cifar10").info
    names = info.features["label"].names
    for example in source:
        yield of_pixels(np.asarray(Image.fromarray(example["image"]).convert("L")), names[example["label"]])


def held_out(sequences: Iterator[Sequence], *, wanted: bool) -> Iterator[Sequence]:
    """Every tenth of each class if `wanted`, else the others."""
    counts: dict[str, int] = {}
    for each in sequences:
        at = counts.get(each.label, 0)
        counts[each.label] = at + 1
        if (at % HELD_OUT == 0) == wanted:
            yield each


def write(source: str, directory: Path) -> Iterator[str]:
    """Writes all files; yields a line on each split as it is done."""

    def read(split: str) -> Iterator[Sequence]:
        return from_tfds(split) if source == "tfds" else from_archive(Path(source) / f"{split}.tar.xz")

    write_vocabulary(GREYS, directory)
    for split, sequences in (
        ("train", held_out(read("train"), wanted=False)),
        ("validation", held_out(read("train"), wanted=True)),
        ("test", read("test")),
    ):
        path = directory / f"{split}.jsonl"
        yield told(path, write_sequences(path, sequences))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", required=True, help="directory of the archives, or tfds")
    parser.add_argument("--to", type=Path, required=True, help="directory to write")
    given = parser.parse_args(arguments)
    try:
        for line in write(given.source, given.to):
            print(line, flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
