"""One peer in a process of its own, as in experiments/speed/worker.py, asked for forward passes and steps."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.families.cases import OURS, Case, inputs, labels
from experiments.machine import cores
from experiments.speed import worker as speed_worker


class Ours:
    """Built once; `forward` gives all logits, `step` the loss and the gradients of all parameters. Told: the loss and
    the norm of the gradient of the table of words, to which every part of the net adds.
    """

    def __init__(self, case: Case, peer: str):
        import jax
        import jax.numpy as jnp
        import optax
        from flax import nnx

        import pretrained
        from training.host_memory import keep_pages

        keep_pages()  # as train.py does; who starts PyTorch gets what the system gives
        graph, self._params = nnx.split(pretrained.load(case.directory))
        self._batch = jax.device_put(jax.tree.map(jnp.asarray, inputs(case)))
        wanted = jnp.asarray(labels(case))

        def logits(params, batch):
            return nnx.merge(graph, params)(**batch).logits

        def loss(params, batch):
            found = optax.softmax_cross_entropy_with_integer_labels(logits(params, batch), wanted)
            return found.mean()

        self._forward, self._step = jax.jit(logits), jax.jit(jax.value_and_grad(loss))
        self._wait, self._flat = jax.block_until_ready, nnx.to_flat_state

    def forward(self) -> None:
        self._wait(self._forward(self._params, self._batch))

    def step(self) -> dict[str, float]:
        loss, grads = self._wait(self._step(self._params, self._batch))
        (table,) = (leaf[...] for path, leaf in self._flat(grads) if path[-3:] == ("embeddings", "word", "embedding"))
        return {"loss": float(loss), "gradient": norm(np.asarray(table))}


class Theirs:
    """Likewise, with `peer` for its attention. In evaluation mode nothing is dropped out; gradients are taken all the
    same.
    """

    def __init__(self, case: Case, peer: str):
        import torch
        import transformers

        torch.set_num_threads(cores())
        self._torch = torch
        kind = getattr(transformers, case.model)
        self._model = kind.from_pretrained(case.directory, attn_implementation=peer).eval()
        self._batch = {name: torch.from_numpy(array) for name, array in inputs(case).items()}
        if case.written or case.model.startswith("GPT2"):
            self._batch["use_cache"] = False  # nobody asks for the keys and values that would be kept
        self._labels = torch.from_numpy(labels(case))

    def forward(self) -> None:
        with self._torch.no_grad():
            self._model(**self._batch)

    def step(self) -> dict[str, float]:
        self._model.zero_grad(set_to_none=True)
        logits = self._model(**self._batch).logits
        loss = self._torch.nn.functional.cross_entropy(logits.flatten(0, 1), self._labels.flatten())
        loss.backward()
        table = self._model.get_input_embeddings().weight.grad
        return {"loss": float(loss), "gradient": norm(table.numpy())}


def norm(table: np.ndarray) -> float:
    """In float64: a sum of 23 million squares in float32 is wrong in its third digit."""
    return float(np.linalg.norm(table.astype(np.float64)))


def start(given: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    peer = (Ours if given["peer"] == OURS else Theirs)(Case(**given["case"]), given["peer"])

    def answer(question: str) -> dict[str, Any]:
        """What is asked: "check", "forward" or "step"."""
        if question == "check":
            return peer.step()
        return speed_worker.answer(SimpleNamespace(step=getattr(peer, question)), "step")

    return answer


if __name__ == "__main__":
    speed_worker.serve(start)
