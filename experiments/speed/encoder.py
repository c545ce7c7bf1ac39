"""Times a training step of this project's encoders beside transformers with PyTorch, on this machine's processor.

    python experiments/speed/encoder.py --out=experiments/speed/results/encoder.json

A step is a forward and a backward pass with the gradients of all parameters, in float32; no optimizer. Every peer
lives in a worker process of its own with all cores. In each round every peer takes one step, in turn, so that whatever
else the machine does meets all of them alike; ratios are formed within a round. `--smoke` runs two small cases, once.
Needs PyTorch and transformers (requirements-dev.txt). Let nothing else run meanwhile.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.cases import CASES, OURS, PRODUCTS_ALONE, SMOKE, Case
from experiments.speed.page import TABLES
from whole_files import write_json

PACKAGES = ("jax", "jaxlib", "flax", "torch", "transformers", "numpy")
WARM_UP = 2  # steps after the checked one, which compiles
REST = 0.2  # seconds between turns, in which the threads of the last peer fall asleep
ENVIRONMENT = {  # of all peers alike
    "JAX_TRACEBACK_FILTERING": "off",  # or the last line of an error is a note on tracebacks
    "TOKENIZERS_PARALLELISM": "false",
}
ON_CPU = {"JAX_PLATFORMS": "cpu"}


class Worker:
    """A peer in its own process; `ask` waits for its answer."""

    module, environment = "experiments.speed.worker", ON_CPU

    def __init__(self, case: Any, peer: str):
        self.peer = peer
        self._told = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (a pipe would fill up)
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
            cwd=machine.ROOT,
            env=os.environ | ENVIRONMENT | self.environment,
        )
        self._send({"case": case.to_json(), "peer": peer})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died; `ask` reads why

    def ask(self, question: str) -> dict[str, Any]:
        self._send({"ask": question})
        reply = self._process.stdout.readline()
        if not reply:
            self._process.wait()
            self._told.seek(0)
            raise RuntimeError(f"{self.peer} stopped: {last_words(self._told.read())}")
        return json.loads(reply)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._told.close()


def last_words(told: str) -> str:
    """Of a traceback the line that names the error, or else the last line: advice may follow it."""
    errors = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception|Failed)\w*: .*", told, re.MULTILINE)
    return (errors or told.strip().splitlines() or ["it said nothing"])[-1]


def measure(case: Case, *, rounds: int, warm_up: int = WARM_UP) -> dict[str, Any]:
    """Seconds of every peer in every round; a peer that cannot run is listed with its error."""
    from experiments.speed.ours import step_flops
    from experiments.speed.products import product_flops

    workers: list[Worker] = []
    results: dict[str, dict[str, Any]] = {}
    try:
        for name in (OURS, *case.peers):
            worker = Worker(case, name)
            workers.append(worker)
            try:
                results[name] = worker.ask("check") | {"seconds": [], "matmul_seconds": []}
                for _ in range(warm_up):
                    worker.ask("step")
                    worker.ask("matmul")
            except RuntimeError as error:
                results[name] = {"error": str(error)}
                workers.pop().close()
        for _ in range(rounds):
            for worker in workers:
                _take_turn(worker, results[worker.peer])
    finally:
        for worker in workers:
            worker.close()
    _check(case, results)
    flops = {"flops": step_flops(case)}
    if PRODUCTS_ALONE in case.peers:
        flops["product_flops"] = product_flops(case)
    return case.to_json() | flops | {"results": results}


def _take_turn(worker: Worker, result: dict[str, Any]) -> None:
    time.sleep(REST)
    step = worker.ask("step")
    result["seconds"].append(step["seconds"])
    result["peak_mib"] = step["peak_mib"]
    result["matmul_seconds"].append(worker.ask("matmul")["seconds"])


def _check(case: Case, results: dict[str, dict[str, Any]]) -> None:
    """Times of unequal models, or of NaN, compare nothing."""
    if "error" in results[OURS]:
        raise RuntimeError(f"{case.name}: {results[OURS]['error']}")
    for name, result in results.items():
        if "error" in result:
            continue
        if not result["finite"]:
            raise RuntimeError(f"{case.name}: an output or a gradient of {name} is not finite, or is missing")
        if name in case.same_model and result["parameters"] != results[OURS]["parameters"]:
            raise RuntimeError(
                f"{case.name}: {name} has {result['parameters']} parameters, ours {results[OURS]['parameters']}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per case, after the warm-up")
    parser.add_argument("--only", default="", help="measure only the cases whose name holds this text")
    parser.add_argument("--smoke", action="store_true", help="two small cases, one round: does everything work?")
    given = parser.parse_args()
    cases = [case for case in (SMOKE if given.smoke else CASES) if given.only in case.name]
    measured: list[dict[str, Any]] = []
    report = machine.provenance("python experiments/speed/encoder.py", PACKAGES) | {"cases": measured}
    for case in cases:
        began = time.perf_counter()
        measured.append(measure(case, rounds=1 if given.smoke else given.rounds, warm_up=0 if given.smoke else WARM_UP))
        medians = {n: statistics.median(r["seconds"]) for n, r in measured[-1]["results"].items() if "error" not in r}
        told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in medians.items())
        print(f"{case.name}: {told} ({time.perf_counter() - began:.0f} s in all)", file=sys.stderr, flush=True)
        if given.out:
            write_json(given.out, report)  # after each, so that none is lost
    print(TABLES["encoder"](report))


if __name__ == "__main__":
    main()
