"""The Hyperpartisan News articles (Kiesel et al. 2019): HTML in XML to plain text, and splits without overlap."""

import gzip
import html
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import InputError

ARTICLES = "articles-training-byarticle-20181122.xml.gz"
TRUTH = "ground-truth-training-byarticle-20181122.xml.gz"
SPLITS = "hp-splits.json"
LABELS = ("false", "true")
NAMES = {"train": "train", "dev": "validation", "test": "test"}  # their name: ours
BLOCKS = frozenset(("p", "div", "br", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "q", "tr"))


@dataclass(frozen=True)
class Article:
    number: int
    text: str
    label: str


def read_articles(directory: Path) -> Iterator[Article]:
    """Every article with its label, one at a time; titles are left out, as in the published preprocessing.

    Raises:
      InputError: a file is missing or no XML, or an article has no number, no text or no label.
    """
    labels = _labels(directory / TRUTH)
    path = directory / ARTICLES
    for element in _elements(path):
        number = _number(path, element)
        if number not in labels:
            raise InputError(f"{path}: article {number} has no label in {TRUTH}; fetch both files again")
        text = plain_text(element)
        if not text:
            raise InputError(f"{path}: article {number} holds no text; remove it or fetch the file again")
        yield Article(number, text, labels[number])


def plain_text(element: ET.Element) -> str:
    """The words of an element, one paragraph a line.

    Some sources were escaped twice, so entities are read once more after the XML parser has read them.
    """
    lines = html.unescape("".join(_pieces(element))).split("\n")
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _pieces(element: ET.Element) -> Iterator[str]:
    yield _inline(element.text)
    for child in element:
        edge = "\n" if child.tag in BLOCKS else ""
        yield edge
        yield from _pieces(child)
        yield edge
        yield _inline(child.tail)


def _inline(text: str | None) -> str:
    return (text or "").replace("\n", " ")  # a line break in the source is a space; only blocks end a line


def _labels(path: Path) -> dict[int, str]:
    labels: dict[int, str] = {}
    for element in _elements(path):
        number, label = _number(path, element), element.get("hyperpartisan")
        if label not in LABELS:
            raise InputError(
                f"{path}: article {number} has hyperpartisan={label!r}; it should be one of {', '.join(LABELS)}"
            )
        labels[number] = label
    return labels


def _elements(path: Path) -> Iterator[ET.Element]:
    """The <article> elements, each dropped after use, so that a file of any size fits."""
    try:
        with gzip.open(path) as file:
            events = ET.iterparse(file, events=("start", "end"))
            _, root = next(events)
            for event, element in events:
                if event == "end" and element.tag == "article":
                    yield element
                    root.clear()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; --source should be the directory that holds hyperpartisan/") from error
    except ET.ParseError as error:
        raise InputError(f"{path}:{error.position[0]}: is not valid XML ({error}); fetch the file again") from error
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: the gzip data is cut short or damaged ({error}); fetch the file again") from error


def _number(path: Path, element: ET.Element) -> int:
    given = element.get("id") or ""
    if not given.isdecimal():
        raise InputError(f"{path}: an article has id={given!r}; it should be a number")
    return int(given)


def published_splits(path: Path) -> dict[str, list[int]]:
    """Article numbers under train, validation and test, as published with Longformer.

    Raises:
      InputError: the file is missing, or is not an object of three lists of distinct numbers.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; it comes with the code of the Longformer paper") from error
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error}); fetch the file again") from error
    if not isinstance(found, dict) or set(found) != set(NAMES):
        raise InputError(f"{path}: should be an object with the keys {', '.join(NAMES)}")
    for name, numbers in found.items():
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise InputError(f"{path}: {name!r} should be a list of article numbers")
        if len(set(numbers)) != len(numbers):
            raise InputError(f"{path}: {name!r} names an article twice")
    return {ours: found[theirs] for theirs, ours in NAMES.items()}


def disjoint_splits(published: dict[str, list[int]], articles: dict[int, Article]) -> dict[str, list[int]]:
    """The published test articles; the published validation ones that are not among them; all others to train on.

    Of the 65 published test articles 51 are also in the published train split and 7 in its validation split (see
    allenai/longformer issues 181 and 234), and 58 articles are in no split. A score on the published split measures
    memory as well. An article whose text is also in validation or test is left out of train.
    """
    test = list(published["test"])
    validation = [number for number in published["validation"] if number not in set(test)]
    held_out = {*test, *validation}
    seen = {articles[number].text for number in held_out}
    train = [number for number in sorted(articles) if number not in held_out and articles[number].text not in seen]
    return {"train": train, "validation": validation, "test": test}
