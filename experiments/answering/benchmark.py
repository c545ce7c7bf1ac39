"""What the scripts share that read a benchmark's questions as SQuAD's JSON and score them in its own way."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from whole_files import write_bytes

PLACES = 16  # answers of a question, at most: the first ones
NEITHER = r"(?<!\w){}(?!\w)"

Prepare = Callable[[Path, Path], Iterable[str]]
Score = Callable[[Path, Sequence[Mapping[str, Any]]], dict[str, float]]


def places(document: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Where names stand in the document as whole words, in any case; of those that begin together the longest."""
    found: dict[int, str] = {}
    for name in sorted(names, key=len, reverse=True):
        for match in re.finditer(NEITHER.format(re.escape(name)), document, re.IGNORECASE):
            found.setdefault(match.start(), match.group())
    return [{"text": found[start], "answer_start": start} for start in sorted(found)][:PLACES]


def read_questions(path: Path, *, fields: Sequence[str], within: str = "") -> list[dict[str, Any]]:
    """The objects that a JSON file lists, at its key `within` if that is given; each has `fields`.

    Raises:
      InputError: naming the file, if it is not of that form.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data = data[within] if within else data
        for each in data:
            [each[field] for field in fields]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the files as they are published") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: does not list objects with {', '.join(fields)} ({error!r})") from error
    return data


def write_paragraphs(path: Path, paragraphs: Sequence[Mapping[str, Any]], *, version: str) -> None:
    """As SQuAD's JSON, each paragraph an article of its own."""
    articles = [{"title": "", "paragraphs": [paragraph]} for paragraph in paragraphs]
    write_bytes(path, [json.dumps({"version": version, "data": articles}, ensure_ascii=False).encode()])


def prepare_or_score(prepare: Prepare, score: Score, *, description: str) -> int:
    """The command line: `prepare SOURCE --to=DIR`, or `score ASKED PREDICTIONS`; returns the exit status."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("source", type=Path)
    preparing.add_argument("--to", type=Path, required=True)
    scoring = commands.add_parser("score")
    scoring.add_argument("asked", type=Path, help="the benchmark's file of questions")
    scoring.add_argument("predictions", type=Path, help="predictions.jsonl of mode=predict")
    given = parser.parse_args()
    try:
        if given.command == "prepare":
            print("\n".join(prepare(given.source, given.to)))
        else:
            print(json.dumps(score(given.asked, _predictions(given.predictions))))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _predictions(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON lines ({error}); give what mode=predict wrote") from error
