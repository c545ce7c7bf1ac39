"""Turns downloaded data sets into the plain files that the fine-tuning recipes read.

    python experiments/finetuning/prepare.py --source=DIR --out=runs/data

DIR holds any of: gutenberg_novels/{train,valid,test}/*.txt.gz, movie_reviews/reviews_folds0-8.jsonl.gz,
hyperpartisan/ (articles, ground truth, hp-splits.json), sst2/{train,dev,test}.tsv.gz. Written are
NAME/{train,validation,test}.jsonl with the fields text and label; the novels are copied byte for byte. Prints for each
file the examples, the share of each class, the words, and how many of its texts are also in the train split.
Nothing but Python's standard library is used, and the output is a pure function of the input.
"""

import hashlib
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from errors import InputError
from experiments.finetuning.articles import SPLITS, disjoint_splits, published_splits, read_articles
from experiments.preparing import command, gzip_lines, present
from whole_files import write_bytes

SETS = ("gutenberg_novels", "movie_reviews", "hyperpartisan", "sst2")
REVIEWS = "reviews_folds0-8.jsonl.gz"
REVIEW_FOLDS = dict.fromkeys(range(7), "train") | {7: "validation", 8: "test"}
REVIEW_LABELS = ("neg", "pos")
SST2_FILES = {"train": "train", "dev": "validation", "test": "test"}  # their name: ours
SST2_LABELS = {"0": "negative", "1": "positive"}
MOST_TOLD = 20  # classes whose shares are printed
NOVEL_DIRECTORIES = {"train": "train", "valid": "validation", "test": "test"}


class Example(NamedTuple):
    text: str
    label: str


@dataclass
class Summary:
    """What one written file holds; `words` is the length of each text, `shared` counts the texts that train has too."""

    path: Path
    classes: Counter = field(default_factory=Counter)
    words: list[int] = field(default_factory=list)
    texts: set[bytes] = field(default_factory=set)
    shared: int = 0

    def add(self, text: str, label: str = "") -> None:
        self.classes[label] += 1
        self.words.append(len(text.split()))
        self.texts.add(hashlib.sha256(" ".join(text.split()).encode()).digest())

    def __str__(self) -> str:
        total = len(self.words)
        shares = ", ".join(f"{name} {count / total:.1%}" for name, count in sorted(self.classes.items()) if name)
        if len(self.classes) > MOST_TOLD:
            shares = f"{len(self.classes)} classes"
        last = statistics.quantiles(self.words, n=20, method="inclusive")[-1] if total > 1 else self.words[0]
        return (
            f"{self.path}: {total} texts ({shares or 'no labels'}), words: median {statistics.median(self.words):.0f}, "
            f"95th percentile {last:.0f}; {self.shared} also in train"
        )


def prepare(source: Path, out: Path) -> list[Summary]:
    """Writes every data set that `source` holds and returns what was written.

    Raises:
      InputError: `source` holds none of them, or a file of one is missing or malformed.
    """
    names = present(source, SETS)
    makers = {"movie_reviews": _movie_reviews, "hyperpartisan": _hyperpartisan, "sst2": sst2}
    summaries: list[Summary] = []
    for name in names:
        maker = makers.get(name)
        groups = [_novels(source / name, out / name)] if maker is None else maker(source / name, out)
        for group in groups:
            summaries += with_shared(group)
    return summaries


def with_shared(group: dict[str, Summary]) -> Iterator[Summary]:
    for name, summary in group.items():
        summary.shared = 0 if name == "train" else len(summary.texts & group["train"].texts)
        yield summary


def _movie_reviews(source: Path, out: Path) -> list[dict[str, Summary]]:
    """Pang and Lee 2004 divide into ten folds; the last one is not in the file."""
    path = source / REVIEWS
    splits: dict[str, list[Example]] = {name: [] for name in ("train", "validation", "test")}
    for number, line in gzip_lines(path):
        try:
            record = json.loads(line)
            split = REVIEW_FOLDS[record["fold"]]
            example = Example(record["text"], record["label"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: should be an object with text, label and a fold from 0 to 8 ({error})"
            ) from error
        splits[split].append(checked(example, REVIEW_LABELS, f"{path}:{number}"))
    return [write_splits(out / "movie_reviews", splits)]


def _hyperpartisan(source: Path, out: Path) -> list[dict[str, Summary]]:
    published = published_splits(source / SPLITS)
    articles = {article.number: article for article in read_articles(source)}
    for name, numbers in published.items():
        for number in numbers:
            if number not in articles:
                raise InputError(
                    f"{source / SPLITS}: {name} names article {number}, which the articles file does not hold"
                )
    versions = {"hyperpartisan": disjoint_splits(published, articles), "hyperpartisan_published": published}
    return [
        write_splits(
            out / folder,
            {name: [Example(articles[n].text, articles[n].label) for n in numbers] for name, numbers in splits.items()},
        )
        for folder, splits in versions.items()
    ]


def sst2(source: Path, out: Path) -> list[dict[str, Summary]]:
    splits = {ours: _sst2_split(source / f"{theirs}.tsv.gz") for theirs, ours in SST2_FILES.items()}
    return [write_splits(out / "sst2", splits)]


def _sst2_split(path: Path) -> Iterator[Example]:
    for number, line in gzip_lines(path):
        columns = line.split("\t")
        if len(columns) != 2 or columns[1] not in SST2_LABELS:
            raise InputError(f"{path}:{number}: should be a sentence, a tab and 0 or 1, got {line[-40:]!r}")
        label = SST2_LABELS[columns[1]]
        yield checked(Example(columns[0], label), tuple(SST2_LABELS.values()), f"{path}:{number}")


def _novels(source: Path, out: Path) -> dict[str, Summary]:
    """Copied as they are; read once, so that a damaged one is found here and not while training."""
    group: dict[str, Summary] = {}
    for theirs, ours in NOVEL_DIRECTORIES.items():
        files = sorted((source / theirs).glob("*.txt.gz"))
        if not files:
            raise InputError(f"{source / theirs}: no .txt.gz file; each novel should be one")
        group[ours] = Summary(out / ours)
        for file in files:
            group[ours].add("\n".join(line for _, line in gzip_lines(file)))
            write_bytes(out / ours / file.name, [file.read_bytes()])
    return group


def checked(example: Example, labels: tuple[str, ...], origin: str) -> Example:
    if example.label not in labels:
        raise InputError(f"{origin}: has the label {example.label!r}; it should be one of {', '.join(labels)}")
    if not isinstance(example.text, str) or not example.text.strip():
        raise InputError(f"{origin}: holds no text")
    return example


def write_splits(directory: Path, splits: dict[str, Iterable[Example]]) -> dict[str, Summary]:
    group = {name: Summary(directory / f"{name}.jsonl") for name in splits}
    for name, examples in splits.items():
        write_bytes(group[name].path, _json_lines(examples, group[name]))
        if not group[name].words:
            raise InputError(f"{directory.name} has no example for its {name} split; fetch its files again")
    return group


def _json_lines(examples: Iterable[Example], summary: Summary) -> Iterator[bytes]:
    for example in examples:
        summary.add(example.text, example.label)
        yield (json.dumps(example._asdict(), ensure_ascii=False) + "\n").encode()


def main(arguments: list[str] | None = None) -> int:
    return command(prepare, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
