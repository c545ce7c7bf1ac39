"""One peer of gpt2.py in a process of its own: a training step of GPT-2's sizes, here or with PyTorch."""

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.speed.worker import serve

VOCAB, WIDTH, DEPTH, HEADS, LENGTH = 50_257, 768, 12, 12, 1024  # Radford et al. 2019, the smallest: 124 M
RATE = 3e-4
OURS = "ours"


def token_ids(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCAB, (rows, LENGTH), dtype=np.int32)


class Ours:
    """Pre-norm, learned positions, tied logits; layers scanned, gradients of all parameters, AdamW."""

    def __init__(self, peer: str, rows: int):
        from training.host_memory import keep_pages

        keep_pages()  # as train.py does
        import jax
        import jax.numpy as jnp
        import optax
        from flax import nnx

        from models import Transformer, TransformerConfig
        from ops.losses import chunked_sums, cross_entropy_sums

        sizes = {"vocab_size": VOCAB, "width": WIDTH, "depth": DEPTH, "heads": HEADS, "mlp_width": 4 * WIDTH}
        still = {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}
        cfg = TransformerConfig(**sizes, **still, max_positions=LENGTH, norm="pre", causal=True, scan="scanned" in peer)
        graph, params = nnx.split(Transformer(cfg, rngs=nnx.Rngs(0)))
        optimizer, self._ids = optax.adamw(RATE), jnp.asarray(token_ids(rows))
        weights = jnp.ones((rows, LENGTH - 1), jnp.float32)

        def loss(params, ids):
            net = nnx.merge(graph, params)
            hidden = net(ids).last_hidden_state[:, :-1]
            if "chunked" in peer:
                factors = hidden, net.embeddings.word.embedding[...], jnp.zeros(VOCAB)
                return chunked_sums(factors, ids[:, 1:], weights, chunk=256)[0] / weights.size
            return cross_entropy_sums(net.embeddings.attend(hidden), ids[:, 1:], weights)[0] / weights.size

        def step(params, state, ids):
            value, gradients = jax.value_and_grad(loss)(params, ids)
            updates, state = optimizer.update(gradients, state, params)
            return optax.apply_updates(params, updates), state, value

        self._state = params, optimizer.init(params)
        lowered = jax.jit(step, donate_argnums=(0, 1)).lower(*self._state, self._ids)
        self._step = lowered.compile()
        self.planned_bytes = self._step.memory_analysis().temp_size_in_bytes
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))

    def step(self) -> float:
        from training.host_memory import let_go_if_short

        *state, loss = self._step(*self._state, self._ids)
        self._state = tuple(state)
        value = float(loss)
        let_go_if_short()
        return value


class Theirs:
    """transformers' GPT2LMHeadModel with `torch.optim.AdamW`."""

    planned_bytes = None

    def __init__(self, peer: str, rows: int):
        import torch
        import transformers

        from experiments.machine import cores

        torch.set_num_threads(cores())
        torch.manual_seed(0)
        still = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        _, kind, *options = peer.split()
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**still, attn_implementation=kind)).train()
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        self.parameters = sum(each.numel() for each in model.parameters())
        self._model = torch.compile(model) if "compiled" in options else model
        self._ids = torch.from_numpy(token_ids(rows)).long()

    def step(self) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._model(self._ids, labels=self._ids).loss
        loss.backward()
        self._optimizer.step()
        return loss.item()


def start(given: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    name, rows = given["peer"], given["case"]["rows"]
    peer: Any = (Ours if name.startswith(OURS) else Theirs)(name, rows)

    def answer(question: str) -> dict[str, Any]:
        """Whatever is asked, a step."""
        del question
        began = time.perf_counter()
        loss = peer.step()
        told = {"seconds": time.perf_counter() - began, "loss": loss, "parameters": peer.parameters}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return told | {"peak_mib": peak, "planned": peer.planned_bytes}

    return answer


if __name__ == "__main__":
    serve(start)
