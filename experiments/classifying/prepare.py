"""Turns downloaded sets of short texts into the plain files that the recipes read.

    python experiments/classifying/prepare.py --source=DIR --out=runs/data

DIR holds any of: clinc150/data_full.json.gz, cola/{in_domain_train,in_domain_dev,out_of_domain_dev}.tsv.gz,
ag_news_test/{test.csv.gz,classes.txt}, and what experiments/finetuning/prepare.py reads of sst2. Written are
NAME/{train,validation,test}.jsonl with the fields text and label. Prints for each file the examples, the words, and how
many of its texts are also in the train split. The output is a pure function of the input.
"""

import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from errors import InputError
from experiments.finetuning.prepare import Example, Summary, checked, sst2, with_shared, write_splits
from experiments.preparing import command, gzip_lines, present

CLINC = "data_full.json.gz"
CLINC_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # their name: ours
COLA_LABELS = {"0": "unacceptable", "1": "acceptable"}
HELD_OUT = 10  # one in so many of CoLA's training sentences is for validation, since its dev set is the test set here
NEWS_TEST = NEWS_VALIDATION = 1000


def prepare(source: Path, out: Path) -> list[Summary]:
    """Writes every data set that `source` holds and returns what was written.

    Raises:
      InputError: `source` holds none of them, or a file of one is missing or malformed.
    """
    makers = {"clinc150": clinc150, "cola": cola, "ag_news_test": ag_news, "sst2": sst2}
    names = present(source, makers)
    return [s for name in names for group in makers[name](source / name, out) for s in with_shared(group)]


def clinc150(source: Path, out: Path) -> list[dict[str, Summary]]:
    """150 intents; what is outside them all has the label oos and is in every split (Larson et al. 2019)."""
    path = source / CLINC
    text = "\n".join(line for _, line in gzip_lines(path))
    try:
        found = json.loads(text)
        splits = {ours: [*found[theirs], *found[f"oos_{theirs}"]] for theirs, ours in CLINC_SPLITS.items()}
        examples = {name: [Example(query, intent) for query, intent in pairs] for name, pairs in splits.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: should be an object of [text, intent] pairs by split, oos_train and the like among them ({error})"
        ) from error
    intents = tuple({example.label for example in examples["train"]})
    for name, each in examples.items():
        for number, example in enumerate(each):
            checked(example, intents, f"{path}: number {number} of {name}")
    return [write_splits(out / "clinc150", examples)]


def cola(source: Path, out: Path) -> list[dict[str, Summary]]:
    """The test sets are the published dev sets, in domain and out of it; validation is a tenth of the training set."""
    train = list(_cola_split(source / "in_domain_train.tsv.gz"))
    held = {example for number, example in enumerate(_in_order_of_digest(train)) if number % HELD_OUT == 0}
    splits = {
        "train": [example for example in train if example not in held],
        "validation": [example for example in train if example in held],
        "test": _cola_split(source / "in_domain_dev.tsv.gz"),
        "test_out_of_domain": _cola_split(source / "out_of_domain_dev.tsv.gz"),
    }
    return [write_splits(out / "cola", splits)]


def _cola_split(path: Path) -> Iterator[Example]:
    for number, line in gzip_lines(path):
        columns = line.split("\t")
        if len(columns) != 4 or columns[1] not in COLA_LABELS:
            raise InputError(f"{path}:{number}: should be source, 0 or 1, mark and sentence, with tabs between")
        example = Example(columns[3], COLA_LABELS[columns[1]])
        yield checked(example, tuple(COLA_LABELS.values()), f"{path}:{number}")


def ag_news(source: Path, out: Path) -> list[dict[str, Summary]]:
    """The published test file alone, divided anew: 5,600, 1,000 and 1,000; no score on it is a published one's peer."""
    names = [line.strip() for line in (source / "classes.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    path, examples = source / "test.csv.gz", []
    for number, row in enumerate(csv.reader(line for _, line in gzip_lines(path)), 1):
        if len(row) != 3 or not row[0].isdigit() or not 1 <= int(row[0]) <= len(names):
            raise InputError(f"{path}:{number}: should be a class from 1 to {len(names)}, a title and a text")
        examples.append(checked(Example(f"{row[1]}. {row[2]}", names[int(row[0]) - 1]), names, f"{path}:{number}"))
    found, ends = _in_order_of_digest(examples), (NEWS_TEST, NEWS_TEST + NEWS_VALIDATION)
    splits = {"train": found[ends[1] :], "validation": found[ends[0] : ends[1]], "test": found[: ends[0]]}
    return [write_splits(out / "ag_news", splits)]


def _in_order_of_digest(examples: Sequence[Example]) -> list[Example]:
    """An order that depends on nothing but the texts, and on none of what the texts say."""
    return sorted(examples, key=lambda example: hashlib.sha256("\t".join(example).encode()).digest())


def main(arguments: list[str] | None = None) -> int:
    return command(prepare, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
