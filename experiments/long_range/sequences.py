"""What the makers of this study's data share: sequences of words from a small closed vocabulary, as files."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers

from data.tokenizer import Tokenizer
from data.tokenizer_training import BERT_SPECIALS
from whole_files import write_bytes

SPLITS = ("train", "validation", "test")


class Sequence(NamedTuple):
    """`text` is words with blanks between them."""

    text: str
    label: str


def generator(seed: int, *names: str) -> random.Random:
    """The same numbers in every process and on every platform; others for other names."""
    return random.Random("/".join((str(seed), *names)))


def write_vocabulary(words: Iterable[str], directory: Path) -> Path:
    """A tokenizer whose ids are BERT's special tokens, then `words` in sorted order.

    LRA's own ids follow Python's hash order, so that no checkpoint of it can be read by another process (see README).
    """
    names = [*BERT_SPECIALS, *sorted(words)]
    made = tokenizers.Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(list(BERT_SPECIALS))
    directory.mkdir(parents=True, exist_ok=True)
    return Tokenizer(made).save(directory)


GREYS = tuple(f"{grey:02x}" for grey in range(256))


def of_pixels(grey: np.ndarray, label: str) -> Sequence:
    """Brightness, uint8 [height, width], row by row from the top, each as two hexadecimal digits."""
    return Sequence(grey.tobytes().hex(" "), label)


def write_sequences(path: Path, sequences: Iterable[Sequence]) -> dict[str, int]:
    """JSON lines with the keys text and label; returns how many there are of each label, sorted."""
    counts: dict[str, int] = {}

    def lines() -> Iterator[bytes]:
        for each in sequences:
            counts[each.label] = counts.get(each.label, 0) + 1
            yield f"{json.dumps(each._asdict())}\n".encode()

    write_bytes(path, lines())
    return dict(sorted(counts.items()))


def told(path: Path, counts: dict[str, int]) -> str:
    """One line for a person: how many, and what always answering the commonest label gets."""
    total = sum(counts.values())
    label, most = max(counts.items(), key=lambda item: item[1])
    return f"{path}: {total:,} sequences; always answering {label} is right for {100 * most / total:.1f} %"
