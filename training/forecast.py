"""What a run will need, told from its step compiled ahead of time: nothing is trained, and no device need be there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.experimental import topologies
from jax.sharding import Mesh

from errors import InputError
from training.chips import chip
from training.cluster import check_data_alike
from training.guard import make_watch
from training.loop import batch_shapes, starter
from training.mesh import batch_ways
from training.optimizer import make_optimizer, make_schedule
from training.run import Run
from training.sharding import bytes_per_device, laid_out
from training.step import make_train_step

GIB = 2**30
HALF = 0.5  # of the peak: what a well-filled accelerator reaches


def devices_of(config: Any) -> list[Any]:
    """The devices of the run; in mode=plan those of `plan.topology`, which need not be present.

    Raises:
      InputError: a device's memory or rate is below 0, the topology is unknown, or the compiler for it is not
        installed.
    """
    for key in ("memory_gib", "tflops") if config.mode == "plan" else ():
        if not config.plan[key] >= 0:
            raise InputError(f"plan.{key}={config.plan[key]:g} must be above 0, or 0 for what is known of the device")
    name = config.plan.topology if config.mode == "plan" else ""
    if not name:
        return jax.devices()
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
    except (RuntimeError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"plan.topology={name!r} cannot be compiled for ({why}); write one such as 'v5e:2x4', and have libtpu "
            "installed (pip install libtpu)"
        ) from error


@dataclass(frozen=True)
class Forecast:
    """Of one optimizer step; bytes are those of one device."""

    parameters: int
    tokens: int
    length: int  # tokens of the longest rows, those of the step
    flops: float  # that the model needs, over all devices
    state: int
    batch: int
    temporaries: int
    devices: int
    kind: str
    memory: float | None  # bytes of one device, where known
    rate: float  # FLOP/s of one device
    rate_told: str
    compile_seconds: float

    @property
    def bytes(self) -> int:
        return self.state + self.batch + self.temporaries

    @property
    def fits(self) -> bool:
        return self.memory is None or self.bytes <= self.memory

    @property
    def seconds(self) -> float:
        """Of a step whose products alone take time, at `rate`."""
        return self.flops / (self.devices * self.rate)


def forecast(run: Run) -> Forecast:
    """Compiles the step that `training.loop.train` would run, on a batch of the longest rows."""
    config, mesh = run.config, run.mesh
    optimizer = make_optimizer(config.optimizer, make_schedule(config.optimizer, steps=config.train.steps))
    step = make_train_step(
        run.task, run.skeleton, optimizer, mesh=mesh, log_every=config.log.every, watch=make_watch(config)
    )
    state = laid_out(jax.eval_shape(starter(run, optimizer), jax.random.key(0), {}), mesh)
    batch = batch_shapes(run)
    check_data_alike(run.task)
    began = time.monotonic()
    compiled = step.lower(state, batch).compile()
    took = time.monotonic() - began
    held = bytes_per_device(state, mesh)
    stats = compiled.memory_analysis()
    kind, memory = _device(mesh, config.plan)
    rate, told = _rate(mesh, config)
    return Forecast(
        parameters=run.skeleton.parameter_count,
        tokens=config.train.batch_size * config.data.length,
        length=batch["input_ids"].shape[-1],
        flops=run.step_flops,
        state=held,
        batch=sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch)) // batch_ways(mesh),
        temporaries=stats.temp_size_in_bytes + max(0, stats.output_size_in_bytes - stats.alias_size_in_bytes),
        devices=mesh.size,
        kind=kind,
        memory=memory,
        rate=rate,
        rate_told=told,
        compile_seconds=took,
    )


def told(plan: Forecast, config: Any, steps: int) -> list[str]:
    """Lines for a person."""
    beside = "a step" if plan.rate_told.startswith("measured") else "a step at the peak"
    lines = [
        f"on {plan.devices} x {plan.kind}, rows of {plan.length:,} tokens, the longest, compiled in "
        f"{plan.compile_seconds:.0f} s",
        f"  model        {plan.parameters / 1e6:,.1f} M parameters, {4 * plan.parameters / GIB:.2f} GiB in float32",
        f"  one step     {plan.tokens:,} tokens, {plan.flops / plan.tokens / 1e6:,.0f} MFLOP each, "
        f"{plan.flops / 1e12:,.2f} TFLOP in all",
        f"  each device  {_gib(plan.state)} state + {_gib(plan.batch)} batch + {_gib(plan.temporaries)} temporaries "
        f"= {_gib(plan.bytes)}" + (f" of {_gib(plan.memory)}" if plan.memory else ""),
        f"  time         {_duration(plan.seconds)} {beside} ({plan.rate_told}); the products alone",
        f"  whole run    {steps:,} steps: {_duration(steps * plan.seconds)}"
        + ("" if beside == "a step" else f"; at half the peak, {_duration(steps * plan.seconds / HALF)}"),
    ]
    if plan.fits:
        return [*lines, "  it fits" if plan.memory else "  whether it fits is not known: set plan.memory_gib"]
    return [*lines, "  it does not fit. What would make it smaller:", *(f"    {each}" for each in advice(plan, config))]


def advice(plan: Forecast, config: Any) -> list[str]:
    """Changes that are not made yet, those that act on the larger part first."""
    rows = config.train.batch_size // config.train.accumulation
    of_temporaries = [
        (config.model.remat != "full", "--config.model.remat=full   (layers are computed again: a third more time)"),
        (not config.model.scan, "--config.model.scan=True   (so that XLA keeps one layer's temporaries at a time)"),
        (
            rows > 1,
            f"--config.train.accumulation={2 * config.train.accumulation}   (half the rows at a time, same result)",
        ),
        (config.model.dtype == "float32", "--config.model.dtype=bfloat16   (half the bytes of each activation)"),
        (not config.train.loss_chunk, "--config.train.loss_chunk=1024   (language models: not all logits at one time)"),
        (config.mesh.sequence == 1, "--config.mesh.sequence=2   (tokens of a row over two devices)"),
    ]
    of_state = [
        (config.mesh.fsdp == 1, "--config.mesh.fsdp=8   (parameters and optimizer state over eight devices)"),
        (config.optimizer.name == "adamw", "--config.optimizer.name=lion   (one moment instead of two), or adafactor"),
        (bool(config.optimizer.ema), "--config.optimizer.ema=0   (no averages of the weights)"),
    ]
    parts = [of_temporaries, of_state] if plan.temporaries > plan.state else [of_state, of_temporaries]
    return [line for part in parts for applies, line in part if applies]


def as_values(plan: Forecast) -> Mapping[str, Any]:
    """For plan.json."""
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__} | {
        "bytes": plan.bytes,
        "fits": plan.fits,
        "seconds": plan.seconds,
    }


def _device(mesh: Mesh, plan: Any) -> tuple[str, float | None]:
    """Its kind, and the bytes it has: as given, of the host as its part, as it tells, or as its data sheet says."""
    first = mesh.devices.flat[0]
    if plan.memory_gib:
        return first.device_kind, plan.memory_gib * GIB
    if first.platform == "cpu":
        return first.device_kind, psutil.virtual_memory().total / jax.local_device_count()
    known = chip(first.device_kind)
    stats = {} if plan.topology else first.memory_stats() or {}  # a device that is only described has none
    return first.device_kind, stats.get("bytes_limit", known.memory if known else None)


def _rate(mesh: Mesh, config: Any) -> tuple[float, str]:
    """FLOP/s of one device, and where the number is from."""
    if config.plan.tflops:
        return config.plan.tflops * 1e12, f"plan.tflops={config.plan.tflops:g} a device"
    first = mesh.devices.flat[0]
    if known := chip(first.device_kind):
        return known.flops, f"{known.flops / 1e12:,.0f} TFLOP/s a device, its bfloat16 peak"
    rate = _measured_rate() / jax.local_device_count()
    return rate, f"measured here: {rate / 1e9:,.0f} GFLOP/s a device, a float32 product"


def _measured_rate(size: int = 2048, calls: int = 5) -> float:
    factor = jnp.ones((size, size), jnp.float32)
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(factor, factor))
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        jax.block_until_ready(product(factor, factor))
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / float(np.median(seconds))


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f} GiB"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.3g} s"
