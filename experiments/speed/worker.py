"""One peer in a process of its own, asked over its standard input: a library at rest takes no core from the other.

With PyTorch and JAX in one process each keeps its own pool of threads, and PyTorch's go on spinning for a while after
its step has ended, into JAX's turn. Here only one process has work at a time.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from experiments.speed.cases import OURS, PRODUCTS_ALONE, Case
from training.host_memory import keep_pages

PRODUCTS = 10  # matrix products timed together


def answer(peer: Any, question: str) -> dict[str, Any]:
    """What `question` asks of a built peer: "check", "step" or "matmul"."""
    match question:
        case "check":
            return {"parameters": peer.parameters, "finite": peer.finite()}
        case "step":
            return {
                "seconds": _timed(peer.step),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        case "matmul":
            return {"seconds": _timed(lambda: [peer.matmul() for _ in range(PRODUCTS)]) / PRODUCTS}
    raise ValueError(f"unknown question {question!r}")


def _timed(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _build(case: Case, name: str) -> Any:
    if name in (OURS, PRODUCTS_ALONE):
        keep_pages()  # as train.py does; who starts PyTorch gets what the system gives
    if name == OURS:
        from experiments.speed.ours import Ours

        return Ours(case, name)
    if name == PRODUCTS_ALONE:
        from experiments.speed.products import Products

        return Products(case, name)
    from experiments.speed.theirs import Theirs  # the only import of PyTorch and transformers

    return Theirs(case, name)


def serve(start: Callable[[dict[str, Any]], Callable[[str], dict[str, Any]]]) -> None:
    """Reads a line that says whom to be, then questions, a line each; answers each with a line.

    `start` makes of the first line what answers questions.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not end up among the replies
    answers = start(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(answers(json.loads(line)["ask"])), file=replies, flush=True)


def _start(given: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    return partial(answer, _build(Case(**given["case"]), given["peer"]))


if __name__ == "__main__":
    serve(_start)
