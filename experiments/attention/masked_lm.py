"""The training step that train.py would run for a Longformer: bfloat16, masked LM, AdamW; tokens per second."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from configs import defaults
from experiments.attention.device import peak_bytes, product_rate
from experiments.sizes import measure as sizes
from models import HEADS, Longformer
from models.config import LongformerConfig
from models.cost import TRAINING, masked_lm_flops
from training.mesh import ONE_DEVICE, make_mesh, put_batch, replicated
from training.optimizer import make_optimizer, make_schedule
from training.state import Skeleton, initial_state
from training.step import empty_tally, make_train_step

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
    skeleton = Skeleton(lambda rngs: HEADS["masked_lm"](Longformer(cfg, rngs=rngs), rngs=rngs))
    settings = defaults.get_config().optimizer
    optimizer = make_optimizer(settings, make_schedule(settings, steps=settings.warmup_steps + 1000))
    task, mesh = sizes.RowLoss(), make_mesh(ONE_DEVICE)
    step = make_train_step(task, skeleton, optimizer, mesh=mesh, log_every=10)
    batch = put_batch(batch_of(cfg, run.rows, run.length), mesh)
    tally = empty_tally(task, skeleton, batch)

    def start():
        return initial_state(skeleton, optimizer, key=jax.random.key(0), tally=tally, given={})

    compiled = step.lower(jax.eval_shape(start), batch).compile()
    planned = sizes.peak_bytes(compiled)
    if planned > sizes.free_bytes():
        raise RuntimeError(f"the step holds {planned / 2**30:.0f} GiB, more than there is")
    state, seconds = jax.jit(start, out_shardings=replicated(mesh))(), []
    for _ in range(1 + ROUNDS):  # the first one is a warm-up
        began = time.perf_counter()
        for _ in range(run.calls):
            state = compiled(state, batch)  # the state is donated
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - began) / run.calls)
    flops = masked_lm_flops(cfg, run.length, batch["labels"].shape[-1], global_tokens=cfg.max_global_tokens)
    return dataclasses.asdict(run) | {
        "seconds": seconds[1:],
        "flops": TRAINING * run.rows * flops,
        "matmul_rate": product_rate(run.product, "bfloat16"),
        "parameters": skeleton.parameter_count,
        "planned_bytes": planned,
        "peak_bytes": peak_bytes(),
        "loss": float(state.tally["loss"] / state.tally["weight"]),
    }
