"""What a sweep tries: a grid, a random sample, or a space that is searched.

A setting is a dict from keys of a config to their values, `{"optimizer.learning_rate": 1e-3}`; `"recipe"` among the
keys replaces the sweep's recipe. Settings are plain dicts in lists: write them out, join lists with +, or make them
here.
"""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from errors import InputError

Setting = dict[str, Any]
DIGITS = 3  # of a drawn number: enough to choose by, and short enough to name a directory


def rounded(value: float) -> float:
    """To `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def plain(value: Any) -> Any:
    """numpy's numbers and arrays, as `logspace` gives them, as Python's, which the command line of train.py reads."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return type(value)(map(plain, value)) if type(value) in (tuple, list) else value


@dataclass(frozen=True)
class Uniform:
    """A number from `low` to `high`, each as likely."""

    low: float
    high: float

    def __post_init__(self):
        _check_range(self)

    def draw(self, source: random.Random) -> float:
        return rounded(source.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """A number from `low` to `high`, both above 0, whose logarithm is uniform: for learning rates."""

    low: float
    high: float

    def __post_init__(self):
        _check_range(self)
        if self.low <= 0:
            raise InputError(f"{self}: low must be above 0")

    def draw(self, source: random.Random) -> float:
        return rounded(math.exp(source.uniform(math.log(self.low), math.log(self.high))))


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int

    def __post_init__(self):
        _check_range(self)

    def draw(self, source: random.Random) -> int:
        return source.randint(self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of `values`."""

    values: tuple[Any, ...]

    def __post_init__(self):
        if isinstance(self.values, str) or not len(self.values):
            raise InputError(f"Choice should have a list of values, got {self.values!r}")
        object.__setattr__(self, "values", tuple(map(plain, self.values)))

    def draw(self, source: random.Random) -> Any:
        return source.choice(self.values)


Range = Uniform | LogUniform | Integer | Choice


@dataclass(frozen=True, kw_only=True)
class Search:
    """Settings that an optimizer (Optuna's TPE) chooses from `space`, by what the earlier ones gave.

    With `prune`, a setting whose score at an evaluation is worse than the median of those before it is stopped there;
    the first `warm` of them never are. Bergstra et al. 2011; Golovin et al. 2017, section 3.2, the median rule.
    """

    space: Mapping[str, Range]
    trials: int
    prune: bool = True
    warm: int = 5
    seed: int = 0

    def __post_init__(self):
        if not self.space or self.trials < 1 or self.warm < 1:
            raise InputError("a Search needs a space, and at least one trial and one that is never pruned")


def grid(axes: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Each value of each key with each of all others, the last key's changing first.

    Raises:
      InputError: a key has no values, or text where a list of values should be.
    """
    for key, values in axes.items():
        if isinstance(values, str) or not len(values):
            raise InputError(f"grid: {key} should have a list of values, got {values!r}")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def sample(space: Mapping[str, Range], count: int, *, seed: int = 0) -> list[Setting]:
    """`count` settings drawn at random, no two alike; the same for the same seed, and the first of a larger count.

    Raises:
      InputError: the space holds fewer.
    """
    source, settings, seen = random.Random(seed), [], set()
    for _ in range(100 * count):
        setting = {key: values.draw(source) for key, values in space.items()}
        if repr(setting) not in seen:
            seen.add(repr(setting))
            settings.append(setting)
        if len(settings) == count:
            return settings
    raise InputError(f"sample: found only {len(settings)} different settings of the {count} asked for")


def _check_range(values: Uniform | LogUniform | Integer) -> None:
    if not values.low < values.high:
        raise InputError(f"{values}: low must lie below high")
