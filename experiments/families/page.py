"""From the file that `python -m experiments.families` writes to the table of the page."""

import statistics
from collections.abc import Callable
from typing import Any

from experiments.families.cases import OURS, PEERS
from experiments.speed.page import origin
from experiments.table import spread
from tabulated import markdown

HEADER = ("case", "pass", "ours, s: median (least to most)", *(f"times ours: {peer}" for peer in PEERS))
HEADER += ("loss apart", "gradient")


def cpu_table(report: dict[str, Any]) -> str:
    """A row for each case and pass, and how many of them reach what was asked."""
    rows = [_row(case, question) for case in report["cases"] for question in ("forward", "step")]
    rounds = len(report["cases"][0]["results"][OURS]["seconds"]["step"])
    behind = [f"{row[0]}, {row[1]}" for row in rows if min(_medians(report, row)) < 1]
    verdict = f"behind the faster peer: {'; '.join(behind)}" if behind else "none is behind the faster peer"
    return (
        f"{origin(report)}\n{rounds} rounds; a ratio above 1 says that ours is faster.\n\n{markdown(HEADER, rows)}\n"
        f"Of {len(rows)} rows {len(rows) - len(behind)} are at least as fast as both peers; {verdict}.\n"
    )


def _medians(report: dict[str, Any], row: tuple[str, ...]) -> list[float]:
    case = next(case for case in report["cases"] if case["name"] == row[0])
    found = [ratios(case, peer, row[1]) for peer in PEERS]
    return [statistics.median(each) for each in found if each]


def ratios(case: dict[str, Any], peer: str, question: str) -> list[float]:
    """The peer's time over ours, round by round; empty for one that does not run."""
    results = case["results"]
    if peer not in results or "error" in results[peer]:
        return []
    pair = (results[each]["seconds"][question] for each in (peer, OURS))
    return [theirs / ours for theirs, ours in zip(*pair, strict=True)]


def _row(case: dict[str, Any], question: str) -> tuple[str, ...]:
    results = case["results"]
    times = [spread(found, digits=2) if (found := ratios(case, peer, question)) else "-" for peer in PEERS]
    ours = spread(results[OURS]["seconds"][question], digits=3)
    return (case["name"], question, ours, *times, *(_apart(results, what) for what in ("loss", "gradient")))


def _apart(results: dict[str, Any], what: str) -> str:
    """The largest relative difference between peers."""
    found = [told[what] for told in results.values() if what in told]
    return f"{max(found) / min(found) - 1:.0e}" if found else "-"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"cpu": cpu_table, "again": cpu_table}
