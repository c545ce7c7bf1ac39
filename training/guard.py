"""Steps that must not count: which of them the compiled step leaves out, and when they end the run."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from errors import InputError

MEMORY = 100  # accepted steps over which the running mean of the loss forgets

Guard = dict[str, jax.Array]
"""Part of the training state: `in_a_row` steps skipped up to now, `accepted` steps with a label, their `mean_loss`."""


@dataclass(frozen=True)
class Watch:
    """What a compiled step looks out for."""

    max_skipped: int = 10  # steps skipped in a row after which nothing moves any more
    spike_factor: float = 0.0  # a loss above this many running means is skipped too; 0 = never
    norms: bool = False  # keep norms by layer in the tally


def make_watch(config: Any) -> Watch:
    """Raises InputError for numbers that would skip every step, or never end a run that is lost."""
    most, factor = config.train.max_skipped, config.train.spike_factor
    if most < 1:
        raise InputError(f"train.max_skipped={most} must be at least 1")
    if factor and not 1 < factor < math.inf:
        raise InputError(f"train.spike_factor={factor} must be 0 (off) or a finite number above 1")
    return Watch(most, factor, config.log.norms)


def fresh_guard() -> Guard:
    count = jnp.zeros((), jnp.int32)
    return {"in_a_row": count, "accepted": count, "mean_loss": jnp.zeros((), jnp.float32)}


def judge(
    guard: Guard, loss: jax.Array, gradient_norm: jax.Array, watch: Watch, *, labelled: jax.Array
) -> tuple[jax.Array, Guard]:
    """(whether the step counts, the guard after it). `loss` is that of this step, per unit of weight.

    The loss of a batch that is not `labelled` is 0 and no measure for others: the running mean leaves it out.

    Once `max_skipped` steps in a row were skipped no other counts: the weights then stay for the diagnosis what they
    were before the first, whenever the loop comes to look.
    """
    counts = jnp.isfinite(loss) & jnp.isfinite(gradient_norm) & (guard["in_a_row"] < watch.max_skipped)
    if watch.spike_factor:
        counts &= (guard["accepted"] == 0) | (loss <= watch.spike_factor * guard["mean_loss"])
    told = counts & labelled
    accepted = guard["accepted"] + told
    share = 1 / jnp.clip(accepted, 1, MEMORY).astype(jnp.float32)
    mean = guard["mean_loss"] + jnp.where(told, share * (loss - guard["mean_loss"]), 0)
    return counts, {
        "in_a_row": jnp.where(counts, 0, guard["in_a_row"] + 1),
        "accepted": accepted,
        "mean_loss": mean.astype(jnp.float32),
    }
