"""Parameters, operations, memory and time of one masked-LM training step, for a named size and a length."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import psutil

from configs import defaults
from configs.sizes import SIZES
from data.masking import predictions_per_row
from models import HEADS, MODELS
from models.config import TransformerConfig
from models.cost import TRAINING, masked_lm_flops
from ops.losses import cross_entropy_sums
from skeleton import Skeleton
from tasks.inputs import encoder_inputs
from training.mesh import ONE_DEVICE, make_mesh, put_batch, replicated
from training.optimizer import make_optimizer, make_schedule
from training.state import initial_state
from training.step import empty_tally, make_train_step

LENGTHS = (512, 1024, 4096, 16384)  # tokens
WINDOWS = {"tiny": 64, "small": 128, "base": 256, "large": 256}  # one-sided, tokens; base and large as published
VOCABULARIES = {"tiny": 8192, "small": 8192, "base": 50265, "large": 50265}  # entries; base and large: RoBERTa's
MASKED = 0.15  # share of tokens to predict
ENOUGH = 3.0  # seconds of timed steps after which no further one is taken


@dataclass(frozen=True)
class Cost:
    """`peak_bytes` is what the compiled step holds at once: state, batch, and all that lives in between.

    `step_seconds` is the median of a few steps; None where the step does not fit this machine or would take too long.
    """

    model: str
    size: str
    length: int
    parameters: int
    flops_per_token: float
    peak_bytes: int
    step_seconds: float | None


@dataclass(frozen=True)
class RowLoss:
    """What the training step asks of a task: the loss of masked-LM rows that each hold one document."""

    def loss(self, model: Any, batch: dict[str, jax.Array], *, rngs: Any) -> dict[str, jax.Array]:
        inputs = encoder_inputs(batch)
        logits = model(batch["input_ids"], predict_positions=batch["predict_positions"], rngs=rngs, **inputs).logits
        loss, weight = cross_entropy_sums(logits, batch["labels"], batch["label_weights"])
        return {"loss": loss, "weight": weight}


def model_config(model: str, size: str, length: int) -> TransformerConfig:
    """The size's own numbers, learned positions up to `length`, dropout and the rest as in configs/defaults.py."""
    config_type, _ = MODELS[model]
    values = defaults.get_config().model.to_dict() | SIZES[size]
    values |= {"vocab_size": VOCABULARIES[size], "max_positions": length, "windows": (WINDOWS[size],)}
    return config_type(**{field.name: values[field.name] for field in dataclasses.fields(config_type)})


def batch_of_one(cfg: TransformerConfig, length: int, *, with_global: bool) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    predicted = predictions_per_row(MASKED, length)
    batch = {
        "input_ids": random.integers(0, cfg.vocab_size, (1, length), dtype=np.int32),
        "attention_mask": np.ones((1, length), np.int32),
        "predict_positions": np.sort(random.permutation(length)[:predicted])[None].astype(np.int32),
        "labels": random.integers(0, cfg.vocab_size, (1, predicted), dtype=np.int32),
        "label_weights": np.ones((1, predicted), np.float32),
    }
    if with_global:
        batch["global_attention_mask"] = (np.arange(length) == 0).astype(np.int32)[None]
    return batch


@dataclass(frozen=True)
class Built:
    """A compiled training step, a batch on the device, and what makes the state that the step takes and donates."""

    step: Any
    batch: Any
    start: Callable[[], Any]
    parameters: int

    @property
    def peak_bytes(self) -> int:
        """Arguments and results that live through the step, a donated one once, and the largest set of temporaries."""
        memory = self.step.memory_analysis()
        lasting = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
        return lasting + memory.temp_size_in_bytes


def build(model: str, cfg: TransformerConfig, batch: dict[str, np.ndarray]) -> Built:
    """The step that train.py would run for this net as a masked LM, on one device."""
    skeleton = Skeleton(lambda rngs: HEADS["masked_lm"](MODELS[model][1](cfg, rngs=rngs), rngs=rngs))
    settings = defaults.get_config().optimizer
    optimizer = make_optimizer(settings, make_schedule(settings, steps=settings.warmup_steps + 1000))
    task, mesh = RowLoss(), make_mesh(ONE_DEVICE)
    placed = put_batch(batch, mesh)
    tally = empty_tally(task, skeleton, placed)

    def start():
        return initial_state(skeleton, optimizer, key=jax.random.key(0), tally=tally, given={})

    step = make_train_step(task, skeleton, optimizer, mesh=mesh, log_every=10)
    compiled = step.lower(jax.eval_shape(start), placed).compile()
    return Built(compiled, placed, jax.jit(start, out_shardings=replicated(mesh)), skeleton.parameter_count)


def measure(model: str, size: str, length: int, *, largest_seconds: float, flops_per_second: float) -> Cost:
    """Compiles the step that train.py would run, and times it where it fits and should end within `largest_seconds`."""
    cfg = model_config(model, size, length)
    has_global = model == "longformer"
    batch = batch_of_one(cfg, length, with_global=has_global)
    built = build(model, cfg, batch)
    flops = TRAINING * masked_lm_flops(cfg, length, batch["labels"].shape[-1], global_tokens=int(has_global))
    seconds = None
    if flops / flops_per_second <= largest_seconds and built.peak_bytes < 0.8 * free_bytes():
        seconds = statistics.median(timed(built))
    jax.clear_caches()
    return Cost(model, size, length, built.parameters, flops / length, built.peak_bytes, seconds)


def free_bytes() -> int:
    """Memory that the first device, or this machine for a processor, has to give."""
    told = jax.devices()[0].memory_stats()
    if told and "bytes_limit" in told:
        return told["bytes_limit"] - told["bytes_in_use"]
    return psutil.virtual_memory().available


def matmul_rate() -> float:
    """FLOP/s of a product of [2048 768] and [768 3072] in float32 on the first device; median of ten."""
    a, b = np.ones((2048, 768), np.float32), np.ones((768, 3072), np.float32)
    product = jax.jit(lambda a, b: a @ b)
    seconds = []
    for _ in range(11):  # the first one compiles
        began = time.perf_counter()
        jax.block_until_ready(product(a, b))
        seconds.append(time.perf_counter() - began)
    return 2 * math.prod((2048, 768, 3072)) / statistics.median(seconds[1:])


def timed(built: Built) -> list[float]:
    """Seconds of each step but the first."""
    seconds, state = [], built.start()
    while len(seconds) < 3 or (sum(seconds[1:]) < ENOUGH and len(seconds) < 20):  # the first one is a warm-up
        began = time.perf_counter()
        state = jax.block_until_ready(built.step(state, built.batch))  # the state is donated
        seconds.append(time.perf_counter() - began)
    return seconds[1:]
