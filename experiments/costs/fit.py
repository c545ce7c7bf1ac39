"""A price for each term of a step, found from measured steps by non-negative least squares of the relative errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from errors import InputError

Terms = Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """Bytes, or seconds, of one unit of each term; none is below 0."""

    by_term: Mapping[str, float]

    def predict(self, terms: Terms) -> float:
        return sum(price * terms[name] for name, price in self.by_term.items())


def fitted(names: Sequence[str], points: Sequence[Terms], measured: Sequence[float]) -> Prices:
    """The prices of the terms `names` for which sum((predicted / measured - 1)^2) is least.

    Raises:
      InputError: there are fewer points than terms, or something measured is not above 0.
    """
    if len(points) < len(names):
        raise InputError(f"{len(points)} points cannot tell the prices of {len(names)} terms; measure more")
    if min(measured) <= 0:
        raise InputError("a measured step took no time or no memory; measure it again")
    relative = np.array([[point[name] for name in names] for point in points]) / np.asarray(measured)[:, None]
    scale = relative.max(axis=0)  # so that operations and single numbers weigh alike in the solver
    prices, _ = nnls(relative / scale, np.ones(len(points)))
    return Prices(dict(zip(names, (prices / scale).tolist(), strict=True)))


def left_out(names: Sequence[str], points: Sequence[Terms], measured: Sequence[float]) -> list[float]:
    """For each point predicted / measured - 1, by prices that were fitted to all the others."""
    errors = []
    for index, (point, value) in enumerate(zip(points, measured, strict=True)):
        others = [*points[:index], *points[index + 1 :]], [*measured[:index], *measured[index + 1 :]]
        errors.append(fitted(names, *others).predict(point) / value - 1)
    return errors
