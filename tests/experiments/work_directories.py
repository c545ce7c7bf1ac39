"""Work directories as train.py leaves them, and records, for the tests of the ledger."""

import json
from pathlib import Path

from experiments.record import Baseline, Device, Published, Record

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def config(seed: int, workdir: str) -> dict:
    return {
        "mode": "train",
        "task": "classification",
        "workdir": workdir,
        "seed": seed,
        "model": {"name": "longformer", "windows": [64]},
        "train": {"steps": 100},
        "log": {"every": 10},
        "evaluation": {"every": 50, "split": "validation"},
    }


def environment(seed: int, **changes: object) -> dict:
    return {
        "commit": COMMIT,
        "dirty": False,
        "versions": {"python": "3.11.7", "jax": "0.10.2"},
        "devices": ["cpu"],
        "cpu": "a processor",
        "cores": 2,
        "command": ["train.py", "--config=configs/reviews.py:small,rate=1", f"--config.seed={seed}"],
    } | changes


def finished_run(directory: Path, *, seed: int, accuracy: float) -> Path:
    directory.mkdir(parents=True)
    result = {
        "split": "test",
        "step": 100,
        "accuracy": accuracy,
        "loss": 0.5,
        "baseline": {"name": "majority class", "accuracy": 0.5},
        "wall_seconds": 7.0,
    }
    first, further = environment(seed), environment(seed, commit="f" * 40)
    further["command"] = [*further["command"], "--config.train.steps=100"]  # more than it was begun for
    files = {
        "config.json": config(seed, str(directory)),
        "environment.json": [first, further],
        "result_test.json": result,
    }
    for name, value in files.items():
        (directory / name).write_text(json.dumps(value), encoding="utf-8")
    # Started twice: 40 s, then 45 s.
    clock = (
        {"seconds_to_first_step": 9},
        {"seconds": 20.0},
        {"seconds": 40.0},
        {"seconds_to_first_step": 41.0},
        {"seconds": 45.0},
    )
    write_lines(directory / "speed.jsonl", [{"step": step} | line for step, line in enumerate(clock)])
    write_lines(
        directory / "metrics.jsonl",
        [
            {"step": 50, "split": "validation", "accuracy": 0.1},
            {"step": 100, "split": "train", "loss": 0.4},
            {"step": 100, "split": "validation", "accuracy": 0.75},
        ],
    )
    return directory


def write_lines(path: Path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def change(path: Path, **values: object) -> None:
    """Overwrites keys of the object, or of the first object of the list, in a JSON file; None removes one."""
    holder = json.loads(path.read_text(encoding="utf-8"))
    first = holder[0] if isinstance(holder, list) else holder
    first |= values
    for key in [key for key, value in values.items() if value is None]:
        del first[key]
    path.write_text(json.dumps(holder), encoding="utf-8")


def record(**changes: object) -> Record:
    values = {
        "study": "finetuning",
        "name": "reviews-longformer",
        "task": "classification",
        "model": "longformer",
        "metric": "accuracy",
        "split": "test",
        "values": (0.8, 0.9),
        "seeds": (0, 1),
        "mean": 0.85,
        "deviation": 0.0707106781186548,  # sqrt(((.05)^2 + (.05)^2) / 1)
        "baseline": Baseline(name="majority class", value=0.5),
        "recipe": "configs/reviews.py",
        "config_sha256": "a" * 64,
        "command": "python train.py --config=configs/reviews.py",
        "commit": COMMIT,
        "versions": {"python": "3.11.7", "jax": "0.10.2"},
        "device": Device(cpu="a processor", cores=2, devices=("cpu",)),
        "wall_seconds": 3600.0,
        "published": Published(value=0.957, source="Beltagy et al. 2020, table 7"),
    }
    return Record(**values | changes)
