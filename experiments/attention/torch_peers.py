"""Attention cores in PyTorch, for worker.py: transformers' sliding chunks, dense attention, and flex_attention."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from experiments.attention.cases import HEADS, WIDTH, Case, inputs, places
from experiments.machine import cores

Core = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def core(case: Case, peer: str, device: str) -> Core:
    """`peer` is "transformers", "sdpa", "sdpa masked", "eager" or "flex"."""
    if peer == "transformers":
        return sliding_chunks(case, device)
    if peer == "flex":
        return flex(case, device)
    if peer == "eager":
        return heads_first(eager)
    if peer == "sdpa masked":
        at = torch.arange(case.length, device=device)
        see = (at[:, None] - at[None, :]).abs() <= case.window
        return heads_first(partial(scaled_dot_product_attention, attn_mask=see))
    return heads_first(scaled_dot_product_attention)


def heads_first(attend: Core) -> Core:
    """For functions of [B H S K], which the models call with such transposed views."""
    return lambda q, k, v: attend(*(x.transpose(1, 2) for x in (q, k, v))).transpose(1, 2)


def eager(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1) @ v


def sliding_chunks(case: Case, device: str) -> Core:
    """The lines of LongformerSelfAttention.forward between its projections, for a row without global tokens."""
    from transformers import LongformerConfig
    from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

    config = LongformerConfig(hidden_size=WIDTH, num_attention_heads=HEADS, attention_window=[2 * case.window])
    layer, W = LongformerSelfAttention(config, 0), case.window
    attention_mask = torch.zeros((case.rows, case.length), device=device)  # 0: local attention

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = layer._sliding_chunks_query_key_matmul(q / math.sqrt(q.shape[-1]), k, W)
        hidden = (attention_mask != 0)[:, :, None, None]
        float_mask = hidden.type_as(q).masked_fill(hidden, torch.finfo(q.dtype).min)
        ones = float_mask.new_ones(size=float_mask.size())
        scores += layer._sliding_chunks_query_key_matmul(ones, float_mask, W)
        weights = torch.softmax(scores, -1, dtype=torch.float32)
        weights = torch.masked_fill(weights, (attention_mask < 0)[:, :, None, None], 0.0).type_as(scores)
        return layer._sliding_chunks_matmul_attn_probs_value(weights, v, W)

    return attend


def flex(case: Case, device: str) -> Core:
    """Compiled flex_attention, which skips the blocks that the band leaves empty."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def near(b, h, query, key):
        return (query - key).abs() <= case.window

    mask = create_block_mask(near, None, None, case.length, case.length, device=device)
    return heads_first(partial(torch.compile(flex_attention), block_mask=mask))


class TorchPeer:
    """Each call of `forward` or `step` (forward and backward) waits for its results."""

    def __init__(self, case: Case, peer: str):
        torch.set_num_threads(cores())
        device = "cuda" if case.device == "gpu" else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no GPU")
        self._case, self._core = case, core(case, peer, device)
        dtype = getattr(torch, case.dtype)
        *qkv, self._up = (torch.from_numpy(x).to(device, dtype) for x in inputs(case))
        self._qkv = [x.requires_grad_() for x in qkv]

    def forward(self) -> None:
        with torch.no_grad():
            for _ in range(self._case.calls):
                self._core(*self._qkv)
        self._wait()

    def step(self) -> None:
        for _ in range(self._case.calls):
            self._once()
        self._wait()

    def device_peak_bytes(self) -> int:
        return torch.cuda.max_memory_allocated()

    def results(self) -> list[np.ndarray]:
        """The output and the gradients of q, k and v, at the compared places."""
        at = torch.from_numpy(places(self._case))
        return [x.detach().reshape(-1)[at.to(x.device)].float().cpu().numpy() for x in self._once()]

    def _once(self) -> list[torch.Tensor]:
        out = self._core(*self._qkv)
        return [out, *torch.autograd.grad(out, self._qkv, self._up)]

    def _wait(self) -> None:
        if self._case.device == "gpu":
            torch.cuda.synchronize()
