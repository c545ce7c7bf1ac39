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
    update: Prices

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


def fitted_peak(
    layers: Sequence[str], update: Sequence[str], points: Sequence[Terms], measured: Sequence[float]
) -> Peak:
    """As `fitted`, for the larger of two sums.

    The search begins where the first sum alone fits best, and the second is this share of it, for each of some shares.

    Raises:
      InputError: as `fitted`.
    """
    (first, first_scale), (second, second_scale) = (_scaled(names, points, measured) for names in (layers, update))
    start, _ = nnls(first, np.ones(len(points)))

    def off(prices: np.ndarray) -> np.ndarray:
        return np.maximum(first @ prices[: len(layers)], second @ prices[len(layers) :]) - 1

    share = np.full(len(update), 1 / len(update))
    starts = [np.concatenate([start, factor * share]) for factor in (0.5, 0.8, 1.0)]
    found = min((least_squares(off, x0, bounds=(0, np.inf)) for x0 in starts), key=lambda result: result.cost).x
    parts = (layers, found[: len(layers)] / first_scale), (update, found[len(layers) :] / second_scale)
    return Peak(*(Prices(dict(zip(names, prices.tolist(), strict=True))) for names, prices in parts))


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
