"""One peer in a process of its own, as in experiments/speed/worker.py, asked for texts and for what the machine can."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.decoding.cases import OURS, PARAMETERS, Case, prompts
from experiments.machine import cores
from experiments.speed import worker as speed_worker

SQUARE = 2048
READS = 8  # one after the other, since a text reads the weights again and again: caches of hundreds of MiB hold some


class Ours:
    """Compiled at the first text. It also tells how fast it reads numbers, as its peer does from other memory."""

    def __init__(self, case: Case):
        from training.host_memory import keep_pages

        keep_pages()  # as train.py does; who starts PyTorch gets what the system gives
        import jax

        import pretrained
        from decoding import Decoder, Settings

        settings = Settings(max_new_tokens=case.new, prompt_lookup_num_tokens=case.lookup)
        self._decoder = Decoder(pretrained.load(case.directory), settings)
        self._prompts = prompts(case)
        self._numbers, self._sum = jax.numpy.ones(PARAMETERS), jax.jit(jax.numpy.sum)

    def write(self) -> np.ndarray:
        return np.asarray(self._decoder(self._prompts).tokens[:, 0])

    def read(self) -> None:
        self._sum(self._numbers).block_until_ready()


class Theirs:
    """`generate` of transformers. It also tells what the machine can: bytes read and operations done in a second."""

    def __init__(self, case: Case):
        import torch
        import transformers

        torch.set_num_threads(cores())
        self._torch = torch
        self._how = {"max_new_tokens": case.new, "min_new_tokens": case.new, "do_sample": False, "pad_token_id": 0}
        self._how |= {"prompt_lookup_num_tokens": case.lookup} if case.lookup else {}
        self._model = transformers.GPT2LMHeadModel.from_pretrained(case.directory).eval()
        self._prompts = torch.from_numpy(prompts(case))
        self._numbers, self._square = torch.ones(PARAMETERS), torch.ones(SQUARE, SQUARE)

    def write(self) -> np.ndarray:
        real = self._torch.ones_like(self._prompts)
        with self._torch.no_grad():
            found = self._model.generate(self._prompts, attention_mask=real, **self._how)
        return found.numpy()[:, self._prompts.shape[1] :]

    def read(self) -> None:
        self._numbers.sum()

    def product(self) -> None:
        self._square @ self._square


def start(given: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    peer: Any = (Ours if given["peer"] == OURS else Theirs)(Case(**given["case"]))

    def answer(question: str) -> dict[str, Any]:
        """The tokens to "check"; seconds to "write", "read" or "product"."""
        if question == "check":
            return {"tokens": peer.write().tolist()}
        times = READS if question == "read" else 1
        return {"seconds": min(_seconds(getattr(peer, question)) for _ in range(times))}

    return answer


def _seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    speed_worker.serve(start)
