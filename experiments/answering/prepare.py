"""Turns downloaded data sets into SQuAD's JSON for the question answering recipe, and texts to pretrain on.

    python experiments/answering/prepare.py --source=DIR --out=runs/data

DIR holds any of: qamr/ (filtered_dev.tsv.gz, filtered_test.tsv.gz, wiki-sentences.tsv.gz; FORMAT.md tells the columns),
squad/squad_v{1.1,2.0}_{train,dev,test}.json.gz, covid_qa/{train,dev,test}.json.gz, policyqa/{dev,test}.json.gz.
Written are qamr/, squad1/, squad2/, covid_qa/ and policyqa/{train,validation,test}.json, and answering_text/train.jsonl
with every context that is not of a test or validation split, once.

QAMR's published training set is not at hand: its dev set is divided by sentence, nine parts to train on and one to
validate; its test set stays whole. PolicyQA's likewise. An answer that is no run of words (2.2% of QAMR's) becomes the
run from its first word to its last; they are counted. Nothing but Python's standard library is used, and the output is
a pure function of the input.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from errors import InputError
from experiments.preparing import command, gzip_lines, present
from whole_files import write_bytes

NAMES = {"train": "train", "dev": "validation", "test": "test"}  # theirs: ours
BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
VALIDATION_PARTS = 10  # one of so many sentences or articles of a set without a validation split

Article = dict[str, Any]


def prepare(source: Path, out: Path) -> list[str]:
    """Writes every data set that `source` holds, and tells what was written, a line for each file.

    Raises:
      InputError: `source` holds none of them, or a file of one is missing or malformed.
    """
    makers = {"qamr": _qamr, "squad": _squad, "covid_qa": _covid_qa, "policyqa": _policyqa}
    names = present(source, makers)
    told, splits = [], {}
    for name in names:
        for folder, articles, remark in makers[name](source / name):
            for split, listed in articles.items():
                place = out / folder / f"{split}.json"
                write_bytes(place, [json.dumps({"version": folder, "data": listed}, ensure_ascii=False).encode()])
                told.append(f"{place}: {_count(listed)}{remark}")
                splits[folder, split] = listed
    texts = _texts(splits)
    place = out / "answering_text" / "train.jsonl"
    write_bytes(place, (json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n" for text in texts))
    return [*told, f"{place}: {len(texts)} texts, {sum(len(text.split()) for text in texts)} words"]


def _qamr(source: Path) -> Iterator[tuple[str, dict[str, list[Article]], str]]:
    sentences = dict(line.split("\t", 1) for _, line in gzip_lines(source / "wiki-sentences.tsv.gz"))
    counts: Counter[str] = Counter()
    dev, test = (_qamr_articles(source / f"filtered_{name}.tsv.gz", sentences, counts) for name in ("dev", "test"))
    told = f"; of {counts['answers']} answers in all splits {counts['broken']} were no run of words"
    yield "qamr", _divided(dev, key="title") | {"test": test}, told


def _qamr_articles(path: Path, sentences: dict[str, str], counts: Counter[str]) -> list[Article]:
    """One article for each sentence, whose one paragraph it is."""
    asked: dict[str, list[dict[str, Any]]] = {}
    for number, line in gzip_lines(path):
        columns = line.split("\t")
        if len(columns) != 9 or columns[0] not in sentences:
            raise InputError(f"{path}:{number}: should be nine columns, the first a sentence of wiki-sentences.tsv.gz")
        words = _plain(sentences[columns[0]])
        marked = [columns[6], *(column.partition(":")[2] for column in columns[7:])]
        try:
            answers = [_qamr_answer(words, sorted(map(int, each.split())), counts) for each in marked if each.strip()]
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}:{number}: an answer should be numbers of the sentence's words") from error
        key = ":".join(columns[:4]).replace(" ", "-")
        asked.setdefault(columns[0], []).append({"id": key, "question": columns[5], "answers": answers})
    return [
        {"title": key, "paragraphs": [{"context": " ".join(_plain(sentences[key])), "qas": questions}]}
        for key, questions in asked.items()
    ]


def _plain(sentence: str) -> list[str]:
    return [BRACKETS.get(word, word) for word in sentence.split(" ")]


def _qamr_answer(words: list[str], places: list[int], counts: Counter[str]) -> dict[str, Any]:
    first, last = places[0], places[-1]
    counts["answers"] += 1
    counts["broken"] += places != list(range(first, last + 1))
    if first < 0 or last >= len(words):
        raise IndexError(last)
    return {
        "text": " ".join(words[first : last + 1]),
        "answer_start": len("".join(f"{word} " for word in words[:first])),
    }


def _squad(source: Path) -> Iterator[tuple[str, dict[str, list[Article]], str]]:
    for folder, version in (("squad1", "v1.1"), ("squad2", "v2.0")):
        yield folder, {ours: _data(source / f"squad_{version}_{name}.json.gz") for name, ours in NAMES.items()}, ""


def _covid_qa(source: Path) -> Iterator[tuple[str, dict[str, list[Article]], str]]:
    yield "covid_qa", {ours: _data(source / f"{name}.json.gz") for name, ours in NAMES.items()}, ""


def _policyqa(source: Path) -> Iterator[tuple[str, dict[str, list[Article]], str]]:
    articles = _divided(_data(source / "dev.json.gz"), key="title")
    yield "policyqa", articles | {"test": _data(source / "test.json.gz")}, ""


def _divided(articles: list[Article], *, key: str) -> dict[str, list[Article]]:
    """By a digest of each article's name, so that no context is in two splits."""
    splits: dict[str, list[Article]] = {"train": [], "validation": []}
    for article in articles:
        number = hashlib.sha256(str(article[key]).encode()).digest()[0]
        splits["train" if number % VALIDATION_PARTS else "validation"].append(article)
    return splits


def _texts(splits: dict[tuple[str, str], list[Article]]) -> list[str]:
    held = {text for (_, split), articles in splits.items() if split != "train" for text in _contexts(articles)}
    trained = (text for (_, split), articles in splits.items() if split == "train" for text in _contexts(articles))
    return [text for text in dict.fromkeys(trained) if text not in held]


def _contexts(articles: Iterable[Article]) -> Iterator[str]:
    return (paragraph["context"] for article in articles for paragraph in article["paragraphs"])


def _count(articles: list[Article]) -> str:
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [question for paragraph in paragraphs for question in paragraph["qas"]]
    without = sum(not question["answers"] for question in questions)
    return f"{len(questions)} questions ({without} without an answer) on {len(paragraphs)} paragraphs"


def _data(path: Path) -> list[Article]:
    try:
        return json.loads("\n".join(line for _, line in gzip_lines(path)))["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is not SQuAD's JSON ({error})") from error


def main(arguments: list[str] | None = None) -> int:
    return command(prepare, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
