"""Stands in for train.py where a sweep's runner is tested: writes the files that it writes, without training.

A run of 4 steps, 0.3 s each. Its score is (rate - 0.3) ** 2 + seed / 100, and at the first step twice as much. A rate
above 1 fails; it saves its step and ends with 143 at SIGTERM, and goes on from that step.
"""

import json
import signal
import sys
import time
from pathlib import Path

STEPS = 4


def main() -> int:
    given = {}
    for word in sys.argv[1:]:
        key, _, value = word.removeprefix("--config").removeprefix(".").partition("=")
        given[key] = value
    rate, directory = float(given["optimizer.learning_rate"]), Path(given["workdir"])
    if rate > 1:
        print("train.py: the rate is too high")
        return 2
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    directory.mkdir(parents=True, exist_ok=True)
    at, loss = directory / "step", (rate - 0.3) ** 2 + int(given["seed"]) / 100
    start = int(at.read_text()) if at.exists() else 0
    if given.get("mode", "train") == "train":
        with open(directory / "starts.txt", "a") as file:
            file.write(f"{start}\n")
        for step in range(start + 1, STEPS + 1):
            time.sleep(0.3)
            at.write_text(str(step))
            line = {"step": step, "split": "validation", "loss": loss * (1 + 1 / step)}
            with open(directory / "metrics.jsonl", "a") as file:
                file.write(json.dumps(line) + "\n")
            if told:
                return 143
    split = given.get("evaluation.split", "validation")
    result = {"split": split, "step": STEPS, "loss": loss, "baseline": {"name": "nothing", "loss": 1.0}}
    (directory / f"result_{split}.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
