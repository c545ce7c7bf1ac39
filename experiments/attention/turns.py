"""Peers in processes of their own that take turns, so that whatever else the machine does meets all of them alike."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from experiments import machine
from experiments.attention.cases import Case
from experiments.speed.encoder import REST, Worker


class PeerWorker(Worker):
    """A peer of this study; on a GPU no process takes more memory than it needs."""

    def __init__(self, case: Case, peer: str):
        self.peer = peer
        fixed = {"JAX_PLATFORMS": "cpu"} if case.device == "cpu" else {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.attention.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=machine.ROOT,
            env=os.environ | {"TOKENIZERS_PARALLELISM": "false"} | fixed,
        )
        self._send({"case": case.to_json(), "peer": peer})


def take_turns(
    starts: Mapping[str, Callable[[], Worker]],
    questions: Mapping[str, tuple[str, ...]],
    *,
    rounds: int,
    warm_up: int,
) -> dict[str, dict[str, Any]]:
    """What each peer answered to "check", with `seconds` of each of its questions in every round.

    One that cannot start or go on is listed with its error.
    """
    workers: dict[str, Worker] = {}
    results: dict[str, dict[str, Any]] = {}
    try:
        for name, start in starts.items():
            workers[name] = start()
            if checked := _asked(workers, results, name, "check"):
                results[name] = checked | {"seconds": {question: [] for question in questions[name]}}
        for round_ in range(-warm_up, rounds):
            for name in list(workers):
                time.sleep(REST)
                for question in questions[name]:
                    told = _asked(workers, results, name, question)
                    if told is None:
                        break
                    if round_ >= 0:
                        results[name]["seconds"][question].append(told["seconds"])
                    if "peak_mib" in told:
                        results[name]["peak_mib"] = told["peak_mib"]
    finally:
        for worker in workers.values():
            worker.close()
    return results


def _asked(
    workers: dict[str, Worker], results: dict[str, dict[str, Any]], name: str, question: str
) -> dict[str, Any] | None:
    try:
        return workers[name].ask(question)
    except RuntimeError as error:
        results[name] = {"error": str(error)}
        workers.pop(name).close()
        return None
