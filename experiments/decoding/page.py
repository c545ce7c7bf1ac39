"""From the files of this study to the tables of its page."""

import math
import statistics
from collections.abc import Callable
from typing import Any

from experiments.decoding.cases import OURS, PARAMETERS, THEIRS, Case
from experiments.speed.page import origin
from experiments.table import spread
from tabulated import markdown

ASKED = 1.5  # times transformers' tokens per second
SQUARE_FLOPS = 2 * 2048**3
HEADER = ("rows x new tokens", "ours, tokens/s: median (least to most)", "theirs", "times theirs", "limit, tokens/s")
HEADER += ("of the limit", "same tokens")


def cpu_table(report: dict[str, Any]) -> str:
    """A row for each batch; the limit is the slower of reading all weights and multiplying by them, for every token."""
    rows, reached = [], []
    for case in report["cases"]:
        seconds = {name: told["seconds"] for name, told in case["results"].items()}
        tokens = case["batch"] * case["new"]
        rates = {name: [tokens / each for each in seconds[name]["write"]] for name in (OURS, THEIRS)}
        ratios = [ours / theirs for ours, theirs in zip(rates[OURS], rates[THEIRS], strict=True)]
        read = min(min(each.get("read", [math.inf])) for each in seconds.values())  # the first files lack ours
        bound = limit(case["batch"], read=read, product=min(seconds[THEIRS]["product"]))
        reached.append(statistics.median(ratios) >= ASKED)
        share = f"{statistics.median(rates[OURS]) / bound:.0%}"
        told = [spread(each, digits=1) for each in rates.values()] + [spread(ratios, digits=2), f"{bound:.1f}", share]
        name = Case(case["batch"], new=case["new"], lookup=case.get("lookup", 0)).name
        rows.append((name, *told, f"{case['same']:.1%}"))
    rounds = len(report["cases"][0]["results"][OURS]["seconds"]["write"])
    return (
        f"{origin(report)}\n{rounds} rounds.\n\n{markdown(HEADER, rows)}\n"
        f"{sum(reached)} of {len(rows)} rows reach {ASKED} times transformers' tokens per second.\n"
    )


def limit(batch: int, *, read: float, product: float) -> float:
    """Tokens per second if a step took as long as to read each weight once, or to do its multiplications.

    `read`: seconds to read as many numbers as there are weights. `product`: seconds of one square product.
    """
    multiplying = 2 * PARAMETERS * batch / (SQUARE_FLOPS / product)
    return batch / max(read, multiplying)


MEMORY = ("net", "tokens written", "its cache, KiB", "temporaries of the program, KiB", "peak of the process, MiB")


def memory_table(report: dict[str, Any]) -> str:
    def row(case: dict[str, Any]) -> tuple[str, ...]:
        kib = (f"{case[name] / 1024:,.0f}" for name in ("cache", "temporary"))
        return (case["net"], f"{case['length']:,}", *kib, f"{case['peak_mib']:,}")

    rows = [row(case) for case in report["cases"]]
    return f"{origin(report)}\n{markdown(MEMORY, rows)}"


def after_reading_table(report: dict[str, Any]) -> str:
    rows = [
        (str(case["rows"]), f"{case['read']:,}", spread([1e3 * each for each in case["seconds"]], digits=1))
        for case in report["cases"]
    ]
    return f"{origin(report)}\n{markdown(('rows', 'tokens read', 'ms a step: median (least to most)'), rows)}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "cpu": cpu_table,
    "cpu_xeon": cpu_table,
    "after_reading": after_reading_table,
    "memory": memory_table,
}
