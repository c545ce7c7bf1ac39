"""What the makers of this study's data share: sequences of words from a small closed vocabulary, as files."""

import argparse
import dataclasses
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers

from data.tokenizer import Tokenizer
from data.tokenizer_training import BERT_SPECIALS
from errors import told_status
from experiments.finetuning.prepare import Example, Summary, with_shared, write_splits

SPLITS = ("train", "validation", "test")
GREYS = tuple(f"{grey:02x}" for grey in range(256))


def generator(seed: int, *names: str) -> random.Random:
    """The same numbers in every process and on every platform; others for other names."""
    return random.Random("/".join((str(seed), *names)))


def of_pixels(grey: np.ndarray, label: str) -> Example:
    """Brightness, uint8 [height, width], row by row from the top, each as two hexadecimal digits."""
    return Example(grey.tobytes().hex(" "), label)


def write_task(directory: Path, words: Iterable[str], splits: dict[str, Iterable[Example]]) -> list[Summary]:
    """{train,validation,test}.jsonl, and a tokenizer whose ids are BERT's special tokens, then `words` in sorted order.

    LRA's own ids follow Python's hash order, so that no checkpoint of it can be read by another process (see README).
    """
    names = [*BERT_SPECIALS, *sorted(words)]
    made = tokenizers.Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(list(BERT_SPECIALS))
    directory.mkdir(parents=True, exist_ok=True)
    Tokenizer(made).save(directory)
    return list(with_shared(write_splits(directory, splits)))


def command(
    settings: type, write: Callable[[Any, Path], list[Summary]], *, description: str, arguments: list[str] | None
) -> int:
    """Runs `write` with the fields of `settings`, integers, from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--to", type=Path, required=True, help="directory to write")
    for field in dataclasses.fields(settings):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, help=f"default {field.default:,}")
    given = vars(parser.parse_args(arguments))
    directory = given.pop("to")

    def run() -> int:
        print(*write(settings(**given), directory), sep="\n")
        return 0

    return told_status(run)
