"""Everything that a run carries from one optimizer step to the next."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from errors import InputError
from skeleton import Skeleton
from training.guard import Guard, fresh_guard
from training.optimizer import Optimizer

LAST_MAP = re.compile(r"(head\.)?output\.(kernel|bias)")  # what tells classes, of every head that does


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """A pytree. `tally` holds the totals since the journal's last line: a resumed run writes the same next one."""

    step: jax.Array  # optimizer steps done
    params: dict[str, jax.Array]  # by dotted path
    opt_state: optax.OptState
    key: jax.Array  # typed PRNG key of the whole run; the key of a step is folded in from it, never reused
    tally: dict[str, jax.Array]
    ema: dict[str, jax.Array]  # averages of the parameters that move, by path; empty where none are kept
    guard: Guard

    @property
    def weights(self) -> dict[str, jax.Array]:
        """What evaluation, prediction and samples use: the averages where they are kept, else the parameters."""
        return self.params | self.ema


def initial_state(
    skeleton: Skeleton,
    optimizer: Optimizer,
    *,
    key: jax.Array,
    tally: Mapping[str, jax.Array],
    given: Mapping[str, jax.Array],
) -> TrainState:
    """Step 0, but for the parameters in `given`."""
    init_key, run_key = jax.random.split(key)
    params = skeleton.initial(init_key) | dict(given)
    ema = jax.tree.map(jnp.copy, optimizer.moving(params)) if optimizer.settings.ema else {}
    step = jnp.zeros((), jnp.int32)
    return TrainState(step, params, optimizer.init(params), run_key, dict(tally), ema, fresh_guard())


@dataclass(frozen=True)
class Transfer:
    """How the weights of another run went into this one, every parameter named."""

    taken: tuple[str, ...]
    fresh: tuple[str, ...]  # in this model, not in that one: keep their initial values
    unused: tuple[str, ...]  # in that model, not in this one

    def told(self, source: str) -> str:
        lines = [f"init_from: {len(self.taken)} parameters taken from {source}"]
        if self.fresh:
            lines.append(f"  fresh here: {', '.join(self.fresh)}")
        if self.unused:
            lines.append(f"  not used: {', '.join(self.unused)}")
        return "\n".join(lines)


def transfer(
    source: Mapping[str, Any], target: Mapping[str, Any], *, name: str, fresh: Collection[str] = ()
) -> Transfer:
    """Which parameters of `source` go into `target`: those of the same path, but for those that begin `fresh`.

    `name` tells a person where `source` is from.

    Raises:
      InputError: a parameter of the same name has another shape, or one of the encoder is not in `source`, but for
        adaptations and a table of token types.
    """
    shared = [path for path in target if path in source and path not in fresh]
    unequal = [n for n in shared if source[n].shape != target[n].shape]
    if unequal:
        told = "; ".join(
            f"{n} has shape {tuple(source[n].shape)} there and {tuple(target[n].shape)} here" for n in unequal[:5]
        )
        more = f" and {len(unequal) - 5} more" if len(unequal) > 5 else ""
        raise InputError(f"{name} holds a model of other sizes: {told}{more}")
    added = (".lora_a", ".lora_b", ".token_type.embedding")  # which a run may have beside what it starts from
    missing = [n for n in target if n.startswith("encoder.") and n not in source and not n.endswith(added)]
    if missing:
        raise InputError(
            f"{name} holds another model: it lacks {len(missing)} parameters of this encoder, such as "
            f"{', '.join(missing[:3])}"
        )
    taken = dict.fromkeys(shared)
    begun, unused = (tuple(path for path in paths if path not in taken) for paths in (target, source))
    return Transfer(tuple(taken), begun, unused)


def outputs_of_other_meaning(
    source: Mapping[str, Any], target: Mapping[str, Any], *, other_classes: bool
) -> tuple[str, ...]:
    """The last map, where it tells something else in `source`: other classes, or another number of them.

    So RTE is tuned after MNLI (Liu et al. 2019, section 5.1).
    """
    shared = [name for name in target if name in source and LAST_MAP.fullmatch(name)]
    other = other_classes or any(source[name].shape != target[name].shape for name in shared)
    return tuple(shared) if other else ()
