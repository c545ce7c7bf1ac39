"""Published files into what the recipes read.

python -m experiments.writing.prepare qmsum/train.jsonl.gz qmsum/val.jsonl.gz qmsum/test.jsonl.gz --to=runs/data/qmsum

QMSum (Zhong et al. 2021): a line for each question about a meeting, {"query", "meeting", "answer"}, the questions about
the whole meeting and those about parts of it; a meeting is its turns, "speaker: what was said", a line each.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from data.records import Record, read_records
from errors import InputError

NAMES = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}


def questions(record: Record) -> list[dict[str, str]]:
    """Those of one meeting, with their answers.

    Raises:
      InputError: naming file and line, for a meeting without turns, or a question without an answer.
    """
    found = record.values
    turns = found.get("meeting_transcripts")
    if not turns:
        raise InputError(f"{record.origin}: has no meeting_transcripts, or an empty one")
    meeting = "\n".join(f"{turn['speaker']}: {turn['content']}" for turn in turns)
    asked: list[dict[str, Any]] = [*found.get("general_query_list", ()), *found.get("specific_query_list", ())]
    for each in asked:
        if not each.get("query", "").strip() or not each.get("answer", "").strip():
            raise InputError(f"{record.origin}: the question {each.get('query', '')!r} has no answer, or the other way")
    return [{"query": each["query"], "meeting": meeting, "answer": each["answer"]} for each in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for file in given.files:
        lines = [line for record in read_records(file) for line in questions(record)]
        path = given.to / f"{NAMES[file.name.split('.')[0]]}.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        words = sorted(len(line["meeting"].split()) for line in lines)
        print(f"{path}: {len(lines)} questions, median {words[len(words) // 2]} words to read")


if __name__ == "__main__":
    main()
