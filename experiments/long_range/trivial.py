"""What needs no net: the answer that is commonest in training; the one that is commonest after the first word, with the
loss of the counts that tell it; and the likeliest by how often each word stands there in any order (naive Bayes).

python -m experiments.long_range.trivial runs/data/listops

ListOps' first word is its outermost operator.
"""

import argparse
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Record, read_records
from errors import InputError
from experiments import machine
from experiments.long_range.page import trivial_table
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "long_range" / "results" / "trivial.json"


def told_by(parts: Sequence[Hashable], labels: Sequence[str]) -> dict[Hashable, str]:
    """The commonest label of each part."""
    counts: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for part, label in zip(parts, labels, strict=True):
        counts[part][label] += 1
    return {part: found.most_common(1)[0][0] for part, found in counts.items()}


def first_word_loss(train: Sequence[Record], test: Sequence[Record]) -> float:
    """Nats of the test's labels by how often each followed the first word in training; half a time is added to each."""
    labels = sorted({str(record.get("label")) for record in train})
    counts = Counter((_first(record), str(record.get("label"))) for record in train)
    of_word = Counter(_first(record) for record in train)

    def nats(record: Record) -> float:
        word, label = _first(record), str(record.get("label"))
        return -math.log((counts[word, label] + 0.5) / (of_word[word] + 0.5 * len(labels)))

    return sum(map(nats, test)) / len(test)


def _first(record: Record) -> str:
    return record.text("text").split(maxsplit=1)[0]


def trivial_accuracies(train: Sequence[Record], test: Sequence[Record]) -> dict[str, float]:
    """Of the test's examples, in percent; a first word that training has not is a wrong answer."""

    def labels(records: Sequence[Record]) -> list[str]:
        return [str(record.get("label")) for record in records]

    def right(answers: Sequence[str | None]) -> float:
        return 100 * sum(map(str.__eq__, labels(test), map(str, answers))) / len(test)

    commonest = told_by([""] * len(train), labels(train))[""]
    by_word = told_by(list(map(_first, train)), labels(train))
    return {
        "commonest answer": right([commonest] * len(test)),
        "commonest after the first word": right([by_word.get(word) for word in map(_first, test)]),
        "likeliest by the counts of words": right(by_counts(train, test)),
    }


def by_counts(train: Sequence[Record], test: Sequence[Record]) -> list[str]:
    """The answer to each of `test` by the counts of its words alone: naive Bayes, with one of each word added."""
    words: dict[str, int] = {}
    for record in train:
        for word in record.text("text").split():
            words.setdefault(word, len(words))
    labels = sorted({str(record.get("label")) for record in train})
    seen, examples = np.ones((len(labels), len(words))), np.zeros(len(labels))
    for record in train:
        label = labels.index(str(record.get("label")))
        seen[label] += _counts(record, words)
        examples[label] += 1
    of_word = np.log(seen / seen.sum(1, keepdims=True))
    of_label = np.log(examples / examples.sum())
    return [labels[int((of_word @ _counts(record, words) + of_label).argmax())] for record in test]


def _counts(record: Record, words: Mapping[str, int]) -> np.ndarray:
    numbers = [words[word] for word in record.text("text").split() if word in words]
    return np.bincount(np.asarray(numbers, np.int64), minlength=len(words))


def measured(directory: Path) -> dict[str, Any]:
    """What needs no net on the data in `directory`, and how many examples that was tried on.

    Raises:
      InputError: train.jsonl or test.jsonl is missing or malformed.
    """
    train, test = (read_records(directory / f"{s}.jsonl", fields=("text", "label")) for s in ("train", "test"))
    right = trivial_accuracies(train, test)
    return {"train": len(train), "test": len(test), "right": right, "nats": first_word_loss(train, test)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+", type=Path, help="each holds train.jsonl and test.jsonl")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    report = machine.provenance("python -m experiments.long_range.trivial", ("numpy",))
    try:
        report["data"] = {directory.name: measured(directory) for directory in given.directories}
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    write_json(given.out, report)
    print(trivial_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
