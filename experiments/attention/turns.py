"""Peers in processes of their own that take turns, so that whatever else the machine does meets all of them alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from experiments.attention.cases import Case
from experiments.speed.encoder import ON_CPU, REST, Worker

# JAX takes memory as it needs it, and may take nearly all.
ON_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95"}


class PeerWorker(Worker):
    """A peer of this study; on a GPU no process takes more memory than it needs."""

    module = "experiments.attention.worker"

    def __init__(self, case: Case, peer: str):
        self.environment = ON_CPU if case.device == "cpu" else ON_GPU
        super().__init__(case, peer)


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
