"""How measured numbers are told: a Markdown table, and the mean and deviation over seeds."""

import math
import statistics
from collections.abc import Collection, Iterable, Sequence


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def mean_and_deviation(values: Collection[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); one value has none, and values that are not finite have NaN."""
    if not all(map(math.isfinite, values)):
        return sum(values) / len(values), math.nan if len(values) > 1 else None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
