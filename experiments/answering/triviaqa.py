"""TriviaQA's questions about Wikipedia's articles as SQuAD's JSON, and their score by question.

    python -m experiments.answering.triviaqa prepare triviaqa-rc --to=runs/data/triviaqa
    python train.py --config=configs/question_answering.py:base,whole=4096 \
        --config.init_from=longformer-4096 --config.model.from_init=True \
        --config.data.train=runs/data/triviaqa/train.json --config.data.validation=runs/data/triviaqa/validation.json \
        --config.data.test=runs/data/triviaqa/asked.json --config.workdir=runs/triviaqa
    # the same command with --config.mode=predict --config.prediction.split=test
    python -m experiments.answering.triviaqa score triviaqa-rc/qa/wikipedia-dev.json runs/triviaqa/predictions.jsonl

Read are qa/wikipedia-{train,dev}.json and evidence/wikipedia/ of triviaqa-rc.tar.gz (nlp.cs.washington.edu/triviaqa). A
question with each of its articles is one question here, answered wherever one of the answer's names stands (distant
supervision: Joshi et al. 2017, section 2); pairs without such a place are left out of train.json and validation.json,
and counted. asked.json has all pairs of dev. The score takes for each question the likeliest answer of all its
articles, against all names, by TriviaQA's own rules. The recipe's settings are the paper's (Beltagy et al. 2020, table
14): five epochs of 110,648 pairs, 1.3 EFLOP at base, 3.7 hours at 100 TFLOP/s (counted, not measured); published on dev
are F1 75.2 by Longformer-base and 74.3 by RoBERTa-base (table 7). Other than in the paper: of several places each epoch
learns one drawn by chance, not that any will do (Clark and Gardner 2018); articles are cut at words and not at 4,096
tokens, so that long ones become two windows, and the steps fewer than five epochs. Exercised on a small file of the
same form; not run on TriviaQA, which was not at hand.
"""

import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.answering.benchmark import places, prepare_or_score, read_questions, write_paragraphs
from metrics.squad import squad_scores

WORDS = 4_000  # of an article that are kept: none of what follows fits into rows of 4,096 tokens
PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "\u2018\u2019\u00b4", " "))
PARTS = {"train": "train", "dev": "validation"}  # theirs: ours


def questions_of(path: Path) -> list[dict[str, Any]]:
    """Raises InputError for a file that is not TriviaQA's."""
    return read_questions(path, within="Data", fields=("Question", "QuestionId", "EntityPages"))


def names_of(question: Mapping[str, Any]) -> list[str]:
    """What the answer may be called, as people write it; none in a test file."""
    answer = question.get("Answer", {})
    return list(dict.fromkeys(name for name in [answer.get("Value", ""), *answer.get("Aliases", [])] if name.strip()))


def pairs(question: Mapping[str, Any], evidence: Path) -> Iterator[dict[str, Any]]:
    """A paragraph of SQuAD's JSON for each article; the id is the question's and the file's."""
    for page in question["EntityPages"]:
        path = evidence / page["Filename"]
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error}), and {question['QuestionId']} asks of it") from error
        words = list(re.finditer(r"\S+", text))[:WORDS]
        if words:
            document = text[: words[-1].end()]
            asked = {"id": f"{question['QuestionId']}--{page['Filename']}", "question": question["Question"]}
            yield {"context": document, "qas": [asked | {"answers": places(document, names_of(question))}]}


def prepare(source: Path, out: Path) -> list[str]:
    """Writes the files and tells what is in them."""
    told = []
    for theirs, ours in PARTS.items():
        asked = questions_of(source / "qa" / f"wikipedia-{theirs}.json")
        found = [pair for question in asked for pair in pairs(question, source / "evidence" / "wikipedia")]
        answered = [pair for pair in found if pair["qas"][0]["answers"]]
        told.append(
            f"{ours}: {len(asked)} questions about {len(found)} articles, of which {len(found) - len(answered)} name "
            "no answer and are left out"
        )
        write_paragraphs(out / f"{ours}.json", answered, version="triviaqa")
        if theirs == "dev":
            write_paragraphs(out / "asked.json", found, version="triviaqa")
    return told


def score(path: Path, predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Exact match and F1 over all questions of the file, in percent; one without a prediction has answered nothing."""
    asked = questions_of(path)
    best: dict[str, tuple[float, str]] = {}
    for line in predictions:
        number = line["id"].partition("--")[0]
        for candidate in line["candidates"][:1]:
            best[number] = max(best.get(number, (-1.0, "")), (candidate["probability"], candidate["answer"]))
    references = {question["QuestionId"]: names_of(question) for question in asked}
    if nameless := [number for number, names in references.items() if not names]:
        raise InputError(f"question {nameless[0]} has no answer: score a file of the development set")
    answers = {number: spaced(text) for number, (_, text) in best.items()}
    return squad_scores(answers, {n: [*map(spaced, names)] for n, names in references.items()}, version="1.1")


def spaced(text: str) -> str:
    """With spaces for punctuation, which SQuAD's rules, otherwise the same, leave out (triviaqa_evaluation.py)."""
    return text.translate(PUNCTUATION)


if __name__ == "__main__":
    sys.exit(prepare_or_score(prepare, score, description=__doc__))
