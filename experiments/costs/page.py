"""From the measured steps to the tables of the page: prices, and how far they are off where nothing was fitted."""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from experiments.costs.boxes import recipes_table
from experiments.costs.fit import Peak, Prices, fitted, fitted_peak, left_out
from experiments.costs.measure import MODELS, Shape
from experiments.costs.terms import LAYERS, TIME, UPDATE
from experiments.speed.page import origin
from tabulated import markdown

GIB = 2**30
HEADER = (
    "net", "width", "layers", "tokens", "rows", "window", "words",
    "GiB", "predicted", "off", "s/step", "predicted", "off",
)  # fmt: skip
OF = {  # what a price is of, and how many of it
    "products": ("GFLOP of dense products", 1e9),
    "attention": ("GFLOP of the Transformer's scores and sums", 1e9),
    "band": ("GFLOP of the Longformer's", 1e9),
    "activations": ("million numbers between layers", 1e6),
    "parameters": ("million parameters", 1e6),
    "logits": ("million logits", 1e6),
    "step": ("step", 1),
}
MEMORY = partial(fitted_peak, LAYERS, Prices(UPDATE))  # of one net
SECONDS = partial(fitted, TIME)  # of both nets together


def points_table(report: dict[str, Any]) -> str:
    """The prices, their errors on points left out one at a time, and each withheld point beside what they predict."""
    kept, withheld = ([p for p in report["points"] if p["withheld"] == out] for out in (False, True))
    time = _fit(SECONDS, "seconds", kept)
    lines = [f"- time: {_priced(time, 'ms', 1e-3)}; {_error(SECONDS, 'seconds', kept)}; {_without_logits(kept)}"]
    lines += _spread(report["points"])
    rows = []
    for model in MODELS:
        points = [point for point in kept if point["model"] == model]
        memory = _fit(MEMORY, "bytes", points)
        layers, update = (_priced(prices, "MB", 1e6) for prices in (memory.layers, memory.update))
        error = _error(MEMORY, "bytes", points)
        lines.append(f"- memory of the {model}: {layers}; or {update} if that is more; {error}")
        rows += [_row(point, memory, time) for point in withheld if point["model"] == model]
    return f"{origin(report)}\n{chr(10).join(lines)}\n\n{markdown(HEADER, rows)}"


def fitted_prices(report: dict[str, Any]) -> dict[str, Any]:
    """The prices of `points_table`, as values: seconds by term, and of each net bytes by term at both moments."""
    kept = [point for point in report["points"] if not point["withheld"]]
    memory = {model: _fit(MEMORY, "bytes", [p for p in kept if p["model"] == model]) for model in MODELS}
    return {
        "seconds": _fit(SECONDS, "seconds", kept).by_term,
        "bytes": {m: {"layers": peak.layers.by_term, "update": peak.update.by_term} for m, peak in memory.items()},
    }


def shape_of(point: dict[str, Any]) -> Shape:
    return Shape(**{field: point[field] for field in Shape.__dataclass_fields__})


def _terms(point: dict[str, Any]) -> dict[str, float]:
    return shape_of(point).terms(point["parameters"])


def _fit(fit: Callable[..., Any], what: str, points: list[dict[str, Any]]) -> Any:
    return fit([_terms(point) for point in points], [point[what] for point in points])


def _errors(fit: Callable[..., Any], what: str, points: list[dict[str, Any]]) -> list[float]:
    return [abs(e) for e in left_out(fit, [_terms(p) for p in points], [p[what] for p in points])]


def _error(fit: Callable[..., Any], what: str, points: list[dict[str, Any]]) -> str:
    errors = _errors(fit, what, points)
    return (
        f"fitted to {len(points)} steps, each left out once: off by {statistics.median(errors):.0%} (median), "
        f"{max(errors):.0%} at most"
    )


def _without_logits(points: list[dict[str, Any]]) -> str:
    """What the price for logits changes in the mean error of the times of the steps left out."""
    fewer = partial(fitted, [name for name in TIME if name != "logits"])
    means = [statistics.mean(_errors(fit, "seconds", points)) for fit in (SECONDS, fewer)]
    return "{:.1%} in the mean, without a price for logits {:.1%}".format(*means)


def _spread(points: list[dict[str, Any]]) -> list[str]:
    """How much longer a shape's slowest round took than its fastest: what the machine itself adds."""
    rounds = [point["rounds"] for point in points if len(point.get("rounds", ())) > 1]
    if not rounds:
        return []
    told = []
    for of in (lambda each: each["seconds"], lambda each: each["seconds"] / each["beside"]):
        longer = [max(map(of, each)) / min(map(of, each)) - 1 for each in rounds]
        told.append(f"{statistics.median(longer):.0%} longer than its fastest (median), {max(longer):.0%} at most")
    return [
        f"- {len(rounds[0])} rounds, of which the median counts: a shape's slowest took {told[0]}; over the seconds of "
        f"the same program beside it {told[1]}"
    ]


def _priced(prices: Prices, unit: str, size: float) -> str:
    """In units of `size` seconds or bytes each."""
    told = []
    for name, price in prices.by_term.items():
        what, many = OF[name]
        told += [f"{many * price / size:.1f} {unit} a {what}"] if price else []
    return ", ".join(told)


def _row(point: dict[str, Any], memory: Peak, time: Prices) -> tuple[str, ...]:
    held, seconds = memory.predict(_terms(point)), time.predict(_terms(point))
    return (
        point["model"], str(point["width"]), str(point["depth"]), f"{point['length']:,}", str(point["rows"]),
        str(point["window"] or "-"), f"{point['vocabulary']:,}",
        f"{point['bytes'] / GIB:.2f}", f"{held / GIB:.2f}", _off(held, point["bytes"]),
        f"{point['seconds']:.2f}", f"{seconds:.2f}", _off(seconds, point["seconds"]),
    )  # fmt: skip


def _off(predicted: float, found: float) -> str:
    return f"{round(predicted / found - 1, 2) + 0.0:+.0%}"  # and not -0%


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "points": points_table,
    "recipes": recipes_table,
}
