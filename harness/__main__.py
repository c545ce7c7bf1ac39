"""Tasks of the lm-evaluation-harness on a causal language model.

python -m harness runs/characters_small --tasks=lambada_openai,hellaswag
python -m harness exported --tasks=capitals --include=my_tasks --shots=2     # tasks described in my_tasks/*.yaml

Needs `pip install lm_eval`. The harness loads the data of its own tasks from the hub; tasks in --include with
`dataset_path: json` read local files, and then nothing is fetched.
"""

import argparse
import json
import sys
from pathlib import Path

from errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m harness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "directory", type=Path, help="a work directory of task=causal_lm, or one of transformers' format"
    )
    parser.add_argument("--tasks", required=True, help="names, with commas between")
    parser.add_argument("--include", type=Path, help="a directory of tasks of your own")
    parser.add_argument("--shots", type=int, help="examples put before each question; what the task says by default")
    parser.add_argument("--limit", type=int, help="examples of each task; all by default")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--output", type=Path, help="a JSON file for the scores")
    given = parser.parse_args()
    try:
        scores = run(given)
    except InputError as error:
        sys.exit(f"python -m harness: {error}")
    print(json.dumps(scores, indent=1))
    if given.output:
        given.output.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


def run(given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Raises InputError without the harness, a model, or a task of the name."""
    if given.output and not given.output.resolve().parent.is_dir():
        raise InputError(f"--output={given.output}: there is no directory {given.output.parent}; make it first")
    try:
        from harness.language_model import LanguageModel, evaluated, known_tasks, told
    except ImportError as error:
        raise InputError(f"the harness is not installed ({error}): pip install lm_eval") from error
    from harness.loaded import load

    names = given.tasks.split(",")
    manager = known_tasks(names, given.include)
    model = LanguageModel(load(given.directory), batch_size=given.batch_size)
    return told(evaluated(model, names, manager, num_fewshot=given.shots, limit=given.limit)["results"])


if __name__ == "__main__":
    main()
