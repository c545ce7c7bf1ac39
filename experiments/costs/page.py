"""From the measured steps to the tables of the page: prices, and how far they are off where nothing was fitted."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from experiments.costs.fit import Prices, fitted, left_out
from experiments.costs.measure import MODELS, Shape
from experiments.costs.terms import MEMORY, TIME
from experiments.speed.page import origin
from tabulated import markdown

GIB = 2**30
WHAT = {"bytes": MEMORY, "seconds": TIME}
HEADER = (
    "net", "width", "layers", "tokens", "rows", "window", "words",
    "GiB", "predicted", "off", "s/step", "predicted", "off",
)  # fmt: skip
UNITS = {
    "products": "GFLOP of dense products",
    "attention": "GFLOP of scores and sums",
    "activations": "million numbers between layers",
    "logits": "million logits",
    "parameters": "million parameters",
    "step": "step",
}


def points_table(report: dict[str, Any]) -> str:
    """The prices, their errors on points left out one at a time, and each withheld point beside what they predict."""
    lines, rows = [], []
    for model in MODELS:
        kept, withheld = (
            [p for p in report["points"] if p["model"] == model and p["withheld"] == out] for out in (0, 1)
        )
        prices = {what: _prices(what, kept) for what in WHAT}
        lines += [f"- {model}, {_told(what, prices[what], kept)}" for what in WHAT]
        rows += [_row(point, prices) for point in withheld]
    return f"{origin(report)}\n{chr(10).join(lines)}\n\n{markdown(HEADER, rows)}"


def shape_of(point: dict[str, Any]) -> Shape:
    return Shape(**{field: point[field] for field in Shape.__dataclass_fields__})


def _terms(point: dict[str, Any]) -> dict[str, float]:
    return shape_of(point).terms(point["parameters"])


def _prices(what: str, points: list[dict[str, Any]]) -> Prices:
    return fitted(WHAT[what], [_terms(point) for point in points], [point[what] for point in points])


def _told(what: str, prices: Prices, points: list[dict[str, Any]]) -> str:
    errors = [abs(e) for e in left_out(WHAT[what], [_terms(p) for p in points], [p[what] for p in points])]
    name = "memory" if what == "bytes" else "time"
    return (
        f"{name}: {', '.join(_priced(what, prices))}; fitted to {len(points)} steps, "
        f"each left out once: off by {statistics.median(errors):.0%} (median), {max(errors):.0%} at most"
    )


def _priced(what: str, prices: Prices) -> Iterator[str]:
    for name, price in prices.by_term.items():
        if price:
            if what == "bytes":
                yield f"{price:.1f} bytes a {UNITS[name].removeprefix('million ').removesuffix('s')}"
            else:
                unit = 1e9 if "GFLOP" in UNITS[name] else 1e6 if "million" in UNITS[name] else 1
                yield f"{1e3 * unit * price:.2f} ms a {UNITS[name]}"


def _row(point: dict[str, Any], prices: dict[str, Prices]) -> tuple[str, ...]:
    found = {what: each.predict(_terms(point)) for what, each in prices.items()}
    return (
        point["model"], str(point["width"]), str(point["depth"]), f"{point['length']:,}", str(point["rows"]),
        str(point["window"] or "-"), f"{point['vocabulary']:,}",
        f"{point['bytes'] / GIB:.2f}", f"{found['bytes'] / GIB:.2f}", _off(found["bytes"], point["bytes"]),
        f"{point['seconds']:.2f}", f"{found['seconds']:.2f}", _off(found["seconds"], point["seconds"]),
    )  # fmt: skip


def _off(predicted: float, found: float) -> str:
    return f"{round(predicted / found - 1, 2) + 0.0:+.0%}"  # and not -0%


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"points": points_table}
