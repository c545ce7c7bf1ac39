"""Run by test_topology in a process with eight simulated devices: a tiny run on several meshes, a JSON line each.

Arguments: the recipe with its corpus, and a directory for the runs.
"""

import json
import sys
from pathlib import Path

import train
from training.journal import Journal

CASES = {
    "one device": {"data": 1},
    "data": {"data": 4},
    "fsdp": {"data": 1, "fsdp": 4},
    "tensor": {"data": 1, "tensor": 2},
    "sequence": {"data": 1, "sequence": 4},
    "mixed": {"data": 1, "fsdp": 2, "tensor": 2, "sequence": 2},
}


class StopError(Exception):
    """Where a run is broken off."""


def run(recipe: str, workdir: Path, mesh: dict[str, int], *more: str) -> list[dict]:
    flags = [f"workdir={workdir}", *(f"mesh.{axis}={size}" for axis, size in mesh.items()), *more]
    sys.argv = ["train.py", f"--config={recipe}", *(f"--config.{flag}" for flag in flags)]
    train.main(sys.argv)
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def broken_off(recipe: str, workdir: Path, mesh: dict[str, int], *more: str, at: int) -> None:
    whole = Journal.metrics

    def metrics(self, step, split, values):
        if step >= at:
            raise StopError
        whole(self, step, split, values)

    Journal.metrics = metrics
    try:
        run(recipe, workdir, mesh, *more)
    except StopError:
        pass
    finally:
        Journal.metrics = whole


def main(recipe: str, folder: str) -> None:
    told = sys.stdout
    sys.stdout = sys.stderr  # where the runs talk
    pairs = [("longformer", name) for name in CASES] + [("transformer", name) for name in ("one device", "mixed")]
    for net, name in pairs:
        lines = run(recipe, Path(folder) / f"{net} {name}", CASES[name], f"model.name={net}")
        print(json.dumps({"net": net, "mesh": name, "lines": lines}), file=told, flush=True)
    lines = run(recipe, Path(folder) / "scanned", CASES["mixed"], "model.scan=True", "model.remat=dots")
    print(json.dumps({"net": "longformer", "mesh": "mixed, scanned", "lines": lines}), file=told, flush=True)
    workdir = Path(folder) / "moved"
    broken_off(recipe, workdir, CASES["mixed"], at=9)
    lines = run(recipe, workdir, {"data": 2})
    print(json.dumps({"net": "longformer", "mesh": "mixed, then two devices", "lines": lines}), file=told, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
