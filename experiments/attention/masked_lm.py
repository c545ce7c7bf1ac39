"""The training step that train.py would run for a Longformer: bfloat16, masked LM, AdamW; tokens per second."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from experiments.attention.device import peak_bytes, product_rate
from experiments.sizes import measure as sizes
from models.config import LongformerConfig
from models.cost import TRAINING, masked_lm_flops

ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """`rows` of `length` tokens in a step of a named size; `calls` steps are timed together."""

    rows: int
    implementation: str
    dropout: float = 0.1
    size: str = "base"
    length: int = 4096
    calls: int = 10
    product: int = 8192  # side of the matrices whose product tells the device's rate


def config(run: Run) -> LongformerConfig:
    cfg = sizes.model_config("longformer", run.size, run.length)
    rates = {"dropout_rate": run.dropout, "attention_dropout_rate": run.dropout}
    return dataclasses.replace(cfg, dtype="bfloat16", implementation=run.implementation, **rates)


def batch_of(cfg: LongformerConfig, rows: int, length: int) -> dict[str, np.ndarray]:
    one = sizes.batch_of_one(cfg, length, with_global=True)
    ids = np.random.default_rng(1).integers(0, cfg.vocab_size, (rows, length), dtype=np.int32)
    return {name: array.repeat(rows, 0) for name, array in one.items()} | {"input_ids": ids}


def measure(run: Run) -> dict[str, Any]:
    """Seconds of a step in each round, its operations, the rate of a product on this device, and memory.

    Raises:
      RuntimeError: if the step holds more memory than the device has.
    """
    cfg = config(run)
    batch = batch_of(cfg, run.rows, run.length)
    built = sizes.build("longformer", cfg, batch)
    if built.peak_bytes > sizes.free_bytes():
        raise RuntimeError(f"the step holds {built.peak_bytes / 2**30:.0f} GiB, more than there is")
    state, seconds = built.start(), []
    for _ in range(1 + ROUNDS):  # the first one is a warm-up
        began = time.perf_counter()
        for _ in range(run.calls):
            state = built.step(state, built.batch)  # the state is donated
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - began) / run.calls)
    flops = masked_lm_flops(cfg, run.length, batch["labels"].shape[-1], global_tokens=cfg.max_global_tokens)
    return dataclasses.asdict(run) | {
        "seconds": seconds[1:],
        "flops": TRAINING * run.rows * flops,
        "matmul_rate": product_rate(run.product, "bfloat16"),
        "parameters": built.parameters,
        "planned_bytes": built.peak_bytes,
        "peak_bytes": peak_bytes(),
        "loss": float(state.tally["loss"] / state.tally["weight"]),
    }
