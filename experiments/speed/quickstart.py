"""Times the quickstart from the start of its process to its first step, with the compilation cache cold and warm.

    python experiments/speed/quickstart.py --out=experiments/speed/results/quickstart.json

Each repeat starts `train.py --config=configs/quickstart.py` twice, in fresh work directories that share one fresh
compilation cache: the tokenizer is trained and the text read both times, only the compiler's work is spared the second
time. Read from speed.jsonl: seconds_to_first_step; and of each line step_seconds, data_wait_share, tokens_per_second.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.page import TABLES
from whole_files import write_json

PACKAGES = ("jax", "jaxlib", "flax", "grain", "tokenizers")


def start(workdir: Path, cache: Path, *, recipe: str, steps: int) -> dict[str, Any]:
    """Trains for `steps` steps and reads the clock of the run."""
    command = [
        sys.executable,
        "train.py",
        f"--config={recipe}",
        f"--config.workdir={workdir}",
        f"--config.compilation_cache={cache}",
        f"--config.train.steps={steps}",
        "--config.evaluation.batches=1",
    ]
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return summary([json.loads(line) for line in (workdir / "speed.jsonl").read_text(encoding="utf-8").splitlines()])


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The time to the first step, and the means over all later ones, each line weighted by the time that it covers."""
    first = next(line["seconds_to_first_step"] for line in lines if "seconds_to_first_step" in line)
    covered, before = [], 0
    for line in lines:
        if "data_wait_share" in line:
            covered.append(((line["step"] - before) * line["step_seconds"], line))
            before = line["step"]
    total = sum(seconds for seconds, _ in covered)
    means = {key: sum(s * line[key] for s, line in covered) / total for key in ("data_wait_share", "tokens_per_second")}
    return {"seconds_to_first_step": first, "steps": before} | means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--recipe", default="configs/quickstart.py")
    parser.add_argument("--steps", type=int, default=100, help="optimizer steps of each start")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    starts = []
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as place:
            for cache in ("cold", "warm"):
                told = start(Path(place, cache), Path(place, "cache"), recipe=given.recipe, steps=given.steps)
                starts.append({"cache": cache} | told)
    report = machine.provenance("python experiments/speed/quickstart.py", PACKAGES) | {"starts": starts}
    if given.out:
        write_json(given.out, report)
    print(TABLES["quickstart"](report))


if __name__ == "__main__":
    main()
