"""HotpotQA's questions about ten paragraphs as SQuAD's JSON, and the score of their answers.

    python -m experiments.answering.hotpotqa prepare DIR --to=runs/data/hotpotqa
    python train.py --config=configs/question_answering.py:base,whole=4096,supports=True \
        --config.init_from=longformer-4096 --config.model.from_init=True --config.train.steps=14150 \
        --config.data.train=runs/data/hotpotqa/train.json --config.data.validation=runs/data/hotpotqa/validation.json \
        --config.data.test=runs/data/hotpotqa/asked.json --config.workdir=runs/hotpotqa
    # the same command with --config.mode=predict --config.prediction.split=test
    python -m experiments.answering.hotpotqa score DIR/hotpot_dev_distractor_v1.json runs/hotpotqa/predictions.jsonl

DIR holds hotpot_train_v1.1.json and hotpot_dev_distractor_v1.json (hotpotqa.github.io). A document begins with the line
"yes no", where the answers to questions of that kind stand, and goes on with the ten paragraphs, each under its title.
Any other answer is taken wherever it stands in a supporting sentence, else in any; questions whose answer stands
nowhere are left out of train.json and validation.json, and counted. asked.json has all of dev.

The net also tells which sentences support the answer (tasks/multi_hop.py); predictions.hotpot.json is what the
official script reads. Published is a joint F1 of 64.4 on dev by Longformer-base and of 63.5 by RoBERTa-base (Beltagy et
al. 2020, table 7), in two stages, with tokens of their own before paragraphs and sentences that see everything; here is
one stage, and the question alone sees everything. The settings are TriviaQA's, with five epochs of HotpotQA's 90,564
training questions. Exercised on a small file of the same form; not run on HotpotQA, which was not at hand.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.answering.benchmark import places, prepare_or_score, read_questions, write_paragraphs
from metrics.multi_hop import Match, answer_match, multi_hop_scores, support_match

FILES = {"hotpot_train_v1.1.json": "train", "hotpot_dev_distractor_v1.json": "validation"}
FIELDS = ("_id", "question", "answer", "supporting_facts", "context")
WORDS = ("yes", "no")


def paragraph(question: Mapping[str, Any]) -> dict[str, Any]:
    """A paragraph of SQuAD's JSON with its one question.

    Raises:
      InputError: naming the question, if its context is no list of titles with sentences.
    """
    supporting = {tuple(fact) for fact in question["supporting_facts"]}
    answer, document = question["answer"], " ".join(WORDS)
    everywhere, supported, sentences = [], [], []
    try:
        for title, texts in question["context"]:
            document += f"\n\n{title}\n"
            for number, sentence in enumerate(texts):
                found = _moved(places(sentence, [answer]), len(document))
                everywhere += found
                supports = (title, number) in supporting
                supported += found if supports else []
                end = len(document) + len(sentence)
                sentences.append({"start": len(document), "end": end, "name": [title, number], "supports": supports})
                document += sentence
    except (TypeError, ValueError) as error:
        raise InputError(f"question {question['_id']}: its context is no list of [title, [sentences]]") from error
    found = places(" ".join(WORDS), [answer]) if answer in WORDS else supported or everywhere
    asked = {"id": question["_id"], "question": question["question"], "answers": found, "sentences": sentences}
    return {"context": document, "qas": [asked]}


def _moved(found: Iterable[Mapping[str, Any]], by: int) -> list[dict[str, Any]]:
    return [{"text": each["text"], "answer_start": each["answer_start"] + by} for each in found]


def prepare(source: Path, out: Path) -> list[str]:
    """Writes the files and tells what is in them."""
    told = []
    for theirs, ours in FILES.items():
        found = [paragraph(question) for question in read_questions(source / theirs, fields=FIELDS)]
        answered = [each for each in found if each["qas"][0]["answers"]]
        told.append(
            f"{ours}: {len(found)} questions, of which {len(found) - len(answered)} have an answer that stands nowhere "
            "and are left out"
        )
        write_paragraphs(out / f"{ours}.json", answered, version="hotpotqa")
        if ours == "validation":
            write_paragraphs(out / "asked.json", found, version="hotpotqa")
    return told


def score(path: Path, predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Exact match and F1 of the answers, the supporting sentences and both, over all questions of the file, in percent.

    A question without a prediction scores 0 (Yang et al. 2018, section 5.1; hotpot_evaluate_v1.py).
    """
    told = {line["id"]: line for line in predictions}
    asked = read_questions(path, fields=FIELDS)
    if not asked:
        raise InputError(f"{path}: has no question to score")
    return multi_hop_scores(_matches(question, told.get(question["_id"])) for question in asked)


def _matches(question: Mapping[str, Any], told: Mapping[str, Any] | None) -> tuple[Match, Match]:
    if told is None:
        return Match(), Match()
    right = [tuple(fact) for fact in question["supporting_facts"]]
    supports = support_match([tuple(name) for name in told.get("supports", ())], right)
    return answer_match(told["answer"], question["answer"]), supports


if __name__ == "__main__":
    sys.exit(prepare_or_score(prepare, score, description=__doc__))
