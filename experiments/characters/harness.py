"""EleutherAI's harness on a net that was trained here: by this project's adapter, and by the harness's own backend on
the weights that train.py exported.

    python -m experiments.characters.harness EXPORTED runs/data/shakespeare/test.txt

Needs lm_eval, torch and transformers (requirements-dev.txt). Two tasks are made of the text: to choose the line that
comes next among four lines of it, and to tell the text by pieces. Afterwards `python -m experiments.ledger --write`.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from errors import InputError
from experiments import machine
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "characters" / "results" / "harness.json"
PACKAGES = ("jax", "lm_eval", "torch", "transformers")
CONTEXT, SHORTEST, PIECE = 200, 20, 2000  # characters before a line, of a line, of a piece
QUESTIONS, CHOICES = 200, 4
TASKS = {
    "next_line": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{answer}}",
        "doc_to_choice": "{{choices}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "pieces": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "bits_per_byte"}, {"metric": "byte_perplexity"}],
    },
}


def questions(text: str, count: int, *, seed: int) -> list[dict[str, Any]]:
    """Lines of the text with what stands before them; the right one among others of the text, at a place by chance.

    Raises:
      InputError: the text has too few lines.
    """
    dice, starts, at = random.Random(seed), [], 0
    for line in text.splitlines(keepends=True):
        starts += [(at, line)] if len(line) >= SHORTEST and at >= CONTEXT else []
        at += len(line)
    if len(starts) < max(count, CHOICES):
        raise InputError(f"the text has {len(starts)} lines of {SHORTEST} characters, fewer than {count}")
    asked = []
    for place, line in sorted(dice.sample(starts, count)):
        others = [other for _, other in dice.sample(starts, CHOICES) if other != line][: CHOICES - 1]
        answer = dice.randrange(CHOICES)
        choices = [*others[:answer], line, *others[answer:]]
        asked.append({"context": text[place - CONTEXT : place], "choices": choices, "answer": answer})
    return [question for question in asked if len(question["choices"]) == CHOICES]


def write_tasks(folder: Path, text: str) -> None:
    """The two tasks and their data, as the harness reads them."""
    pieces = [{"text": text[start : start + PIECE]} for start in range(0, len(text), PIECE)]
    for name, documents in (("next_line", questions(text, QUESTIONS, seed=0)), ("pieces", pieces)):
        lines = "".join(json.dumps(document) + "\n" for document in documents)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}}}
        whole = {"task": name, "test_split": "test", "num_fewshot": 0} | data | TASKS[name]
        (folder / f"{name}.yaml").write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML


def scored(model: Any, tasks: Path) -> dict[str, dict[str, float]]:
    from harness.language_model import evaluated, known_tasks, told

    names = list(TASKS)
    return told(evaluated(model, names, known_tasks(names, tasks))["results"])


def backends(exported: Path) -> dict[str, Any]:
    import transformers
    from lm_eval.models.huggingface import HFLM

    from harness.language_model import LanguageModel
    from harness.loaded import load

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(exported / "tokenizer.json"), eos_token="</s>", bos_token="</s>", pad_token="<pad>"
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(exported).eval()
    return {
        "ours": LanguageModel(load(exported), batch_size=16),
        "transformers": HFLM(pretrained=model, tokenizer=tokenizer, batch_size=16, device="cpu"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exported", type=Path, help="the directory that mode=export wrote")
    parser.add_argument("text", type=Path, help="a text that the net was not trained on")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"
    report = machine.provenance("python -m experiments.characters.harness", PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_tasks(Path(folder), given.text.read_text(encoding="utf-8"))
            report["scores"] = {name: scored(model, Path(folder)) for name, model in backends(given.exported).items()}
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
    write_json(given.out, report)
    print(json.dumps(report["scores"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
