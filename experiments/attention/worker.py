"""One peer of this study in a process of its own, asked over its standard input (see experiments/speed/worker.py)."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.attention.cases import PRODUCTS, Case
from experiments.speed import worker as speed_worker
from training.host_memory import keep_pages

IN_TORCH = ("transformers", "sdpa", "sdpa masked", "eager", "flex")


def answer(case: Case, peer: Any, question: str) -> dict[str, Any]:
    """What `question` asks of a built peer: "check", "forward", "step" or "matmul"."""
    if question == "check":
        results = peer.results()
        finite = all(bool(np.isfinite(each).all()) for each in results)
        return {"finite": finite, "values": [each.tolist() for each in results]}
    told = speed_worker.answer(SimpleNamespace(step=getattr(peer, question)), "step")
    if case.device == "gpu":
        told["peak_mib"] = peer.device_peak_bytes() // 2**20  # of the device, not of the process
    return told | {"seconds": told["seconds"] / (PRODUCTS if question == "matmul" else case.calls)}


def build(case: Case, peer: str) -> Any:
    if peer in IN_TORCH:
        from experiments.attention.torch_peers import TorchPeer  # the only import of PyTorch and transformers

        return TorchPeer(case, peer)
    if case.device == "cpu":
        keep_pages()  # as train.py does
    from experiments.attention.jax_peers import JaxPeer

    return JaxPeer(case, peer)


def start(given: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    case = Case(**given["case"])
    return partial(answer, case, build(case, given["peer"]))


if __name__ == "__main__":
    speed_worker.serve(start)
