"""Optax, by the config: schedule, optimizer, parameter groups, clipping."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from errors import InputError
from layer_stacks import stack_of
from training.plan import Factor, Plan, check_rules, make_plan

ENDLESS = ("constant", "rsqrt")
"""Schedules that do not depend on the last step: more steps change none of those before."""

Params = Mapping[str, jax.Array]
"""Parameters by dotted path, such as `encoder.layers.0.attention.query.kernel`."""


def make_schedule(settings: Any, *, steps: int) -> optax.Schedule:
    """Learning rate by optimizer step: linear from zero over `warmup_steps`, then the decay that `settings` names.

    Linear is RoBERTa's (Liu et al. 2019, section 2.4); cubic, the third power of linear's share, is Longformer's in its
    further pretraining (Beltagy et al. 2020, section 5, from memory); rsqrt is Vaswani et al. 2017, section 5.3, scaled
    to peak at `learning_rate`.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if not 0 <= warmup < steps:
        raise InputError(f"optimizer.warmup_steps={warmup} must be at least 0 and less than train.steps={steps}")
    decays = {
        "linear": optax.linear_schedule(peak, 0.0, steps - warmup),
        "cubic": optax.polynomial_schedule(peak, 0.0, power=3, transition_steps=steps - warmup),
        "cosine": optax.cosine_decay_schedule(peak, steps - warmup),
        "constant": optax.constant_schedule(peak),
        # The warm-up asks for steps before 0 too, and takes none of what is said of them.
        "rsqrt": lambda step: peak * (max(warmup, 1) / (jnp.maximum(step, 0) + max(warmup, 1))) ** 0.5,
    }
    if settings.schedule not in decays:
        raise InputError(f"optimizer.schedule={settings.schedule!r} is not one of {', '.join(decays)}")
    rise = optax.linear_schedule(peak / max(warmup, 1), peak, max(warmup - 1, 1))  # step 0 already moves
    return optax.join_schedules([rise, decays[settings.schedule]], [warmup])


def check_optimizer(settings: Any) -> None:
    """Raises InputError for a setting with which no step could be taken, or none that goes downhill."""
    if settings.name not in CORES:
        raise InputError(f"optimizer.name={settings.name!r} is not one of {', '.join(CORES)}")
    for key in ("learning_rate", "weight_decay", "clip_norm"):
        if not 0 <= settings[key] < math.inf:
            raise InputError(f"optimizer.{key}={settings[key]} must be a finite number of at least 0")
    for key in ("beta1", "beta2", "ema"):
        if not 0 <= settings[key] < 1:
            raise InputError(f"optimizer.{key}={settings[key]} must be at least 0 and below 1")
    if not settings.epsilon > 0:
        raise InputError(f"optimizer.epsilon={settings.epsilon} must be above 0")
    if not 0 < settings.layer_decay <= 1:
        raise InputError(f"optimizer.layer_decay={settings.layer_decay} must be above 0 and at most 1")
    check_rules(settings.rules)


@dataclass(frozen=True)
class Optimizer:
    """An Optax transformation of the parameters that may move; it never sees those that a rule freezes.

    Which these are depends on all paths, so it is told when the parameters are at hand: `params` are always all.
    """

    settings: Any
    schedule: optax.Schedule

    def moving(self, params: Params) -> dict[str, jax.Array]:
        plan = make_plan(self.settings, params)
        return {path: value for path, value in params.items() if plan.moves(path)}

    def init(self, params: Params) -> optax.OptState:
        return self._transform(make_plan(self.settings, params)).init(self.moving(params))

    def update(
        self,
        gradients: Params,
        opt_state: optax.OptState,
        params: Params,
        *,
        norm: jax.Array | None = None,
        step: jax.Array | None = None,
    ) -> tuple[Params, optax.OptState]:
        """What to add to the moving parameters, from their gradients.

        `norm` is the global norm of these, if known; the rate is that of `step`, which counts the steps that were
        skipped too, and by default the number of updates before.
        """
        transform = self._transform(make_plan(self.settings, params))
        norm = optax.tree.norm(gradients) if norm is None else norm
        return transform.update(gradients, opt_state, self.moving(params), norm=norm, step=step)

    def _transform(self, plan: Plan) -> optax.GradientTransformation:
        clip = self.settings.clip_norm
        return optax.chain(
            *([_clip_by_global_norm(clip)] if clip > 0 else []),
            _layer_by_layer(CORES[self.settings.name](self.settings)),
            _add_decay(plan),
            _scale_rates(plan),
            _scale_by_schedule(self.schedule),
        )


def make_optimizer(settings: Any, schedule: optax.Schedule) -> Optimizer:
    """The optimizer that `settings.name` tells, after clipping by the global norm.

    Weight decay is decoupled and multiplied by the learning rate, for every optimizer alike (Loshchilov and Hutter
    2019, as in Optax's AdamW). Optax's own Adafactor would decay by the whole amount whatever the learning rate.
    """
    return Optimizer(settings, schedule)


def _adam(settings: Any) -> optax.GradientTransformation:
    return optax.scale_by_adam(settings.beta1, settings.beta2, settings.epsilon)


def _adafactor(settings: Any) -> optax.GradientTransformation:
    """Without momentum; tables and kernels of 128 or more on both sides hold a row and a column (Shazeer 2018)."""
    return optax.chain(optax.scale_by_factored_rms(), optax.clip_by_block_rms(1.0), optax.scale_by_param_block_rms())


def _lion(settings: Any) -> optax.GradientTransformation:
    return optax.scale_by_lion(settings.beta1, settings.beta2)


def _muon(settings: Any) -> optax.GradientTransformation:
    """Muon on kernels with two axes; Adam on tables, biases and norms (Jordan et al. 2024).

    Muon's steps are scaled to Adam's usual root mean square, 0.2, so that one learning rate and one weight decay serve
    both (Liu et al. 2025, section 2.2). Its momentum is Optax's, 0.95 with Nesterov's correction, which Optax's own
    `muon` would give to Adam too.
    """

    def shapes(updates):
        return jax.tree.map(lambda _: optax.contrib.MuonDimensionNumbers(), updates)

    def even(updates, params=None):
        return jax.tree.map(lambda u: 0.2 * max(u.shape) ** 0.5 * u, updates)

    def labels(params):
        return {p: "muon" if v.ndim == 2 and p.endswith(".kernel") else "adam" for p, v in params.items()}

    muon = optax.chain(optax.contrib.scale_by_muon(weight_dimension_numbers=shapes), optax.stateless(even))
    return optax.partition({"muon": muon, "adam": _adam(settings)}, labels)


CORES: dict[str, Callable[[Any], optax.GradientTransformation]] = {
    "adamw": _adam,
    "adafactor": _adafactor,
    "lion": _lion,
    "muon": _muon,
}


def _layer_by_layer(core: optax.GradientTransformation) -> optax.GradientTransformation:
    """`core` that sees the layers of a stack one by one, as if they were not stacked; its state is kept by stack."""

    def by_stack(params):
        stacks: dict[str, dict[str, jax.Array]] = {}
        for path, value in params.items():
            stacks.setdefault(stack_of(path), {})[path] = value
        return stacks

    def over(stack, function):
        return jax.vmap(function) if stack else function

    def init(params):
        return {stack: over(stack, core.init)(part) for stack, part in by_stack(params).items()}

    def update(updates, state, params):
        updates, params = by_stack(updates), by_stack(params)
        both = {stack: over(stack, core.update)(updates[stack], state[stack], params[stack]) for stack in state}
        return {path: u for moved, _ in both.values() for path, u in moved.items()}, {
            s: new for s, (_, new) in both.items()
        }

    return optax.GradientTransformation(init, update)


def _times(value: jax.Array, factor: Factor) -> jax.Array:
    """The factor is one number, or one for each entry of the first axis."""
    if isinstance(factor, tuple):
        factor = jnp.array(factor, value.dtype).reshape(-1, *(1 for _ in value.shape[1:]))
    return value * factor


def _clip_by_global_norm(clip: float) -> optax.GradientTransformation:
    """As optax.clip_by_global_norm, from a norm that is known: to find it again XLA would keep 4 bytes a parameter."""

    def update(updates, state, params=None, *, norm, **_):
        factor = jnp.minimum(1, clip / norm)  # of no gradient at all the norm is 0: the lesser of 1 and infinity
        return jax.tree.map(lambda u: u * factor.astype(u.dtype), updates), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def _scale_by_schedule(schedule: optax.Schedule) -> optax.GradientTransformation:
    scale = optax.scale_by_learning_rate(schedule)

    def update(updates, state, params=None, *, step, **_):
        return scale.update(updates, state if step is None else state._replace(count=step), params)

    return optax.GradientTransformationExtraArgs(scale.init, update)


def _add_decay(plan: Plan) -> optax.GradientTransformation:
    def add(updates, params):
        return {
            path: u + _times(params[path], plan.decays[path]) if plan.decays[path] else u for path, u in updates.items()
        }

    return optax.stateless(add)


def _scale_rates(plan: Plan) -> optax.GradientTransformation:
    def scale(updates, params):
        return {path: _times(u, plan.rates[path]) if plan.rates[path] != 1 else u for path, u in updates.items()}

    return optax.stateless(scale)
