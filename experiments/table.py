"""Markdown tables, and the one that lists records."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from experiments.record import Record
from tabulated import markdown

HEADER = ("model", "recipe", "split", "metric", "mean ± deviation", "seeds", "baseline", "published", "hours", "commit")


def spread(values: Sequence[float], *, digits: int) -> str:
    """Median (least to most)."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def told(found: Any, tell: Callable[[Any], str]) -> str:
    """`-` for what was not measured: a peer that had left, or could not run."""
    return "-" if found is None or (isinstance(found, dict) and "error" in found) else tell(found)


def records_table(records: Iterable[Record]) -> str:
    """One row a record. `hours` is the training time of all its seeds together; `commit` is cut to seven digits."""
    return markdown(("name", *HEADER), [_row(record) for record in records])


def _row(record: Record) -> tuple[str, ...]:
    spread = "" if record.deviation is None else f" ± {_short(record.deviation, 2)}"
    published = "-" if record.published is None else f"{_short(record.published.value)} ({record.published.source})"
    commits = ", ".join(each[:7] + ("+" if each.endswith("+changes") else "") for each in record.commit.split())
    return (
        record.name,
        record.model,
        f"`{record.recipe}`",
        record.split,
        record.metric,
        f"{_short(record.mean)}{spread}",
        str(len(record.seeds)),
        f"{_short(record.baseline.value)} ({record.baseline.name})",
        published,
        f"{record.wall_seconds / 3600:.2f}",
        commits,
    )


def _short(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"
