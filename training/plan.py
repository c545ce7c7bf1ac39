"""What each parameter's learning rate is multiplied by, and how much it decays: by its layer, then by the rules."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from errors import InputError
from layer_stacks import single_paths
from training.layers import height_of, stack_depths

Factor = float | tuple[float, ...]
RULE_SETTINGS = ("learning_rate", "weight_decay")


@dataclass(frozen=True)
class Plan:
    """Both by parameter path; one number, or one for each layer of a stack in which they differ."""

    rates: dict[str, Factor]  # factors of the learning rate; 0 = frozen
    decays: dict[str, Factor]  # weight decay, per unit of learning rate

    def moves(self, path: str) -> bool:
        return self.rates[path] != 0


def check_rules(rules: Any) -> None:
    """Raises InputError unless `rules` are pairs of a regular expression and settings that a parameter can have."""
    for rule in rules:
        if len(rule) != 2 or not isinstance(rule[0], str) or not isinstance(rule[1], Mapping) or not rule[1]:
            raise InputError(f"optimizer.rules: {rule!r} is not a pair like ('head.*', {{'learning_rate': 2.0}})")
        pattern, settings = rule
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(f"optimizer.rules: {pattern!r} is no regular expression: {error}") from error
        for key, value in settings.items():
            if key not in RULE_SETTINGS:
                raise InputError(f"optimizer.rules: {key!r} of {pattern!r} is not one of {', '.join(RULE_SETTINGS)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"optimizer.rules: {key}={value!r} of {pattern!r} must be a number of at least 0")


def make_plan(settings: Any, paths: Iterable[str]) -> Plan:
    """The plan for these parameters.

    The factor of layer decay is d to the power of the layers above: 1 for the head and a last norm, d for the top
    layer, d^L for the lowest of L, d^(L+1) for the embeddings. A rule's learning rate multiplies it; the first rule
    whose expression is the whole path decides.

    Raises:
      InputError: a rule decides for no parameter, or all are frozen, or some layers of a stack and not others.
    Source: Clark et al. 2020 (ELECTRA), appendix B; Bao et al. 2022 (BEiT), code, whose numbering this is.
    """
    parts = {path: single_paths(path) for path in paths}
    paths = [single for singles in parts.values() for single in singles]
    depths = stack_depths(paths)
    top = max(depths.values(), default=0) + 1
    rates = {path: settings.layer_decay ** (top - height_of(path, depths)) for path in paths}
    decays = {path: settings.weight_decay if decays_by_default(path) else 0.0 for path in paths}
    for path, rule in _first_matches(settings.rules, paths).items():
        rates[path] *= rule.get("learning_rate", 1.0)
        decays[path] = rule.get("weight_decay", decays[path])
    plan = Plan(
        {path: _one_or_each([rates[single] for single in singles]) for path, singles in parts.items()},
        {path: _one_or_each([decays[single] for single in singles]) for path, singles in parts.items()},
    )
    for path, rate in plan.rates.items():
        if isinstance(rate, tuple) and 0 in rate:
            raise InputError(
                f"optimizer.rules freeze some layers of {path} and not others: set model.scan=False for that"
            )
    if not any(map(plan.moves, parts)):
        raise InputError("optimizer.rules freeze every parameter: nothing would be trained")
    return plan


def _one_or_each(values: list[float]) -> Factor:
    return values[0] if len(set(values)) == 1 else tuple(values)


def decays_by_default(path: str) -> bool:
    """All but biases and the scales of norms (Devlin et al. 2018, A.2)."""
    return path.rsplit(".", 1)[-1] not in ("bias", "scale")


def _first_matches(rules: Any, paths: list[str]) -> dict[str, Mapping[str, float]]:
    taken: dict[str, Mapping[str, float]] = {}
    for pattern, settings in rules:
        matched = [path for path in paths if re.fullmatch(pattern, path)]
        if not matched:
            near = ", ".join(_closest(pattern, paths))
            raise InputError(f"optimizer.rules: {pattern!r} matches no parameter; the closest are {near}")
        if all(path in taken for path in matched):
            raise InputError(f"optimizer.rules: all that {pattern!r} matches is decided by rules before it")
        taken |= {path: settings for path in matched if path not in taken}
    return taken


def _closest(pattern: str, paths: list[str]) -> list[str]:
    """Three paths that begin most as the letters of the expression do: what follows its `.*` is not known."""
    letters = re.sub(r"\\|\.\*|[^\w.]", "", pattern)
    alike = {path: difflib.SequenceMatcher(None, letters, path[: len(letters) + 1]).ratio() for path in paths}
    return sorted(paths, key=alike.get, reverse=True)[:3]
