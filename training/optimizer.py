"""Optax, by the config: schedule, parameter groups, clipping."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import optax

from errors import InputError

Params = Mapping[str, jax.Array]
"""Parameters by dotted path, such as `encoder.layers.0.attention.query.kernel`."""


def make_schedule(settings: Any, *, steps: int) -> optax.Schedule:
    """Learning rate by optimizer step: linear from zero over `warmup_steps`, then the decay that `settings` names.

    Linear is RoBERTa's (Liu et al. 2019, section 2.4); rsqrt is Vaswani et al. 2017, section 5.3, scaled to peak at
    `learning_rate`.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if not 0 <= warmup < steps:
        raise InputError(f"optimizer.warmup_steps={warmup} must be at least 0 and less than train.steps={steps}")
    decays = {
        "linear": optax.linear_schedule(peak, 0.0, steps - warmup),
        "cosine": optax.cosine_decay_schedule(peak, steps - warmup),
        "constant": optax.constant_schedule(peak),
        "rsqrt": lambda step: peak * (max(warmup, 1) / (step + max(warmup, 1))) ** 0.5,
    }
    if settings.schedule not in decays:
        raise InputError(f"optimizer.schedule={settings.schedule!r} is not one of {', '.join(decays)}")
    rise = optax.linear_schedule(peak / max(warmup, 1), peak, max(warmup - 1, 1))  # step 0 already moves
    return optax.join_schedules([rise, decays[settings.schedule]], [warmup])


def check_optimizer(settings: Any) -> None:
    """Raises InputError for a number with which no step could be taken, or none that goes downhill."""
    for key in ("learning_rate", "weight_decay", "clip_norm"):
        if not 0 <= settings[key] < math.inf:
            raise InputError(f"optimizer.{key}={settings[key]} must be a finite number of at least 0")
    for key in ("beta1", "beta2"):
        if not 0 <= settings[key] < 1:
            raise InputError(f"optimizer.{key}={settings[key]} must be at least 0 and below 1")
    if not settings.epsilon > 0:
        raise InputError(f"optimizer.epsilon={settings.epsilon} must be above 0")


def decayed(params: Params) -> dict[str, bool]:
    """True for parameters under weight decay: all but biases and the scales of norms (Devlin et al. 2018, A.2)."""
    return {path: path.rsplit(".", 1)[-1] not in ("bias", "scale") for path in params}


def make_optimizer(settings: Any, schedule: optax.Schedule) -> optax.GradientTransformation:
    """AdamW with decoupled decay on `decayed` parameters, after clipping by the global norm."""
    adam = optax.adamw(
        schedule,
        b1=settings.beta1,
        b2=settings.beta2,
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        mask=decayed,
    )
    if settings.clip_norm > 0:
        return optax.chain(optax.clip_by_global_norm(settings.clip_norm), adam)
    return adam
