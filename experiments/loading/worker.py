"""One load or save in a process of its own: `python -m experiments.loading.worker PEER CASE DIRECTORY`.

Prints a line of JSON: seconds of importing, of the call itself on the clock and on the processors, and of reading every
weight once afterwards; bytes that the call added to the resident memory at most, and that stayed.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.loading.cases import MAPPED, OURS, SAVE


class Ours:
    def __init__(self):
        import jax
        from flax import nnx

        import pretrained

        self._library, self._wait, self._state = pretrained, jax.block_until_ready, nnx.state
        self._leaves = jax.tree.leaves
        jax.block_until_ready(jax.numpy.ones(1) + 1)  # the backend has started

    def load(self, directory: Path) -> Any:
        model = self._library.load(directory)
        self._wait(self._state(model))
        return model

    def save(self, model: Any, directory: Path) -> None:
        self._library.save(model, directory)

    def weights(self, model: Any) -> Iterator[np.ndarray]:
        return map(np.asarray, self._leaves(self._state(model)))


class Theirs:
    def __init__(self, *, mapped: bool):
        import torch
        import transformers

        self._model, self._dtype, self._mapped = transformers.RobertaForMaskedLM, torch.float32, mapped
        transformers.logging.disable_progress_bar()

    def load(self, directory: Path) -> Any:
        return self._model.from_pretrained(directory, dtype=self._dtype, disable_mmap=not self._mapped)

    def save(self, model: Any, directory: Path) -> None:
        model.save_pretrained(directory)

    def weights(self, model: Any) -> Iterator[np.ndarray]:
        return (weight.detach().numpy() for weight in model.parameters())


def memory(line: str) -> int:
    """Bytes; `VmRSS` is what is resident, `VmHWM` the most that was since `forget_peak`."""
    return 1024 * int(re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))[1])


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def measured(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    forget_peak()
    before, wall, processors = memory("VmRSS"), time.perf_counter(), time.process_time()
    answer = call()
    return answer, {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processors,
        "peak_bytes": memory("VmHWM") - before,
        "kept_bytes": memory("VmRSS") - before,
    }


def main() -> None:
    peer, case, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    began = time.perf_counter()
    library = Ours() if peer == OURS else Theirs(mapped=peer == MAPPED)
    told = {"import_seconds": time.perf_counter() - began}
    model, found = measured(lambda: library.load(directory))
    began, count = time.perf_counter(), 0
    for weight in library.weights(model):
        weight.sum()
        count += weight.size
    told |= found | {"read_seconds": time.perf_counter() - began, "parameters": count}
    if case == SAVE:
        with tempfile.TemporaryDirectory(dir=directory.parent) as place:
            told |= measured(lambda: library.save(model, Path(place, "saved")))[1]
    print(json.dumps(told), file=replies, flush=True)


if __name__ == "__main__":
    main()
