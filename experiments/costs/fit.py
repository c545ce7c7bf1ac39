"""A price for each term of a step, found from measured steps by the least squares of the relative errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, nnls

from errors import InputError

Terms = Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """Bytes, or seconds, of one unit of each term; none is below 0."""

    by_term: Mapping[str, float]

    def predict(self, terms: Terms) -> float:
        return sum(price * terms[name] for name, price in self.by_term.items())


@dataclass(frozen=True)
class Peak:
    """Memory is largest at one of two moments: where all layers' activations live, or while the optimizer works."""

    layers: Prices
    update: Prices  # known, not fitted

    def predict(self, terms: Terms) -> float:
        return max(self.layers.predict(terms), self.update.predict(terms))


def fitted(names: Sequence[str], points: Sequence[Terms], measured: Sequence[float]) -> Prices:
    """The prices of the terms `names` for which sum((predicted / measured - 1)^2) is least.

    Raises:
      InputError: there are fewer points than terms, or something measured is not above 0.
    """
    scaled, scale = _scaled(names, points, measured)
    prices, _ = nnls(scaled, np.ones(len(points)))
    return Prices(dict(zip(names, (prices / scale).tolist(), strict=True)))


def fitted_peak(names: Sequence[str], update: Prices, points: Sequence[Terms], measured: Sequence[float]) -> Peak:
    """As `fitted`, for the larger of a sum and what `update` says. The search begins at shares of where the sum fits.

    Raises:
      InputError: as `fitted`.
    """
    scaled, scale = _scaled(names, points, measured)
    least = np.array([update.predict(point) for point in points]) / np.asarray(measured)
    start, _ = nnls(scaled, np.ones(len(points)))

    def off(prices: np.ndarray) -> np.ndarray:
        return np.maximum(scaled @ prices, least) - 1

    searches = (least_squares(off, factor * start, bounds=(0, np.inf)) for factor in (0.5, 0.8, 1.0))
    found = min(searches, key=lambda result: result.cost).x
    return Peak(Prices(dict(zip(names, (found / scale).tolist(), strict=True))), update)


def left_out(
    fit: Callable[[Sequence[Terms], Sequence[float]], Prices | Peak], points: Sequence[Terms], measured: Sequence[float]
) -> list[float]:
    """For each point predicted / measured - 1, by a model that was fitted to all the others."""
    errors = []
    for index, (point, value) in enumerate(zip(points, measured, strict=True)):
        others = [*points[:index], *points[index + 1 :]], [*measured[:index], *measured[index + 1 :]]
        errors.append(fit(*others).predict(point) / value - 1)
    return errors


def _scaled(names: Sequence[str], points: Sequence[Terms], measured: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The terms over what was measured, [points, names], each name's largest 1, and what it was divided by for that."""
    if len(points) < len(names):
        raise InputError(f"{len(points)} points cannot tell the prices of {len(names)} terms; measure more")
    if min(measured) <= 0:
        raise InputError("a measured step took no time or no memory; measure it again")
    relative = np.array([[point[name] for name in names] for point in points]) / np.asarray(measured)[:, None]
    scale = relative.max(axis=0)
    scale[scale == 0] = 1  # no point has that term: its price stays 0
    return relative / scale, scale
