"""From the JSON files that the scripts of this study write to the tables of its page."""

import statistics
from collections.abc import Callable
from typing import Any

from experiments.attention.gpu_page import gpu_table
from experiments.attention.rows import LONG_ROW_HEADER, core_header, core_rows, long_row_cells, matmul_rate
from experiments.speed.page import origin
from experiments.table import told
from tabulated import markdown


def core_table(report: dict[str, Any]) -> str:
    """A row for each peer, pass and length."""
    rows = [row for case in report["cases"] for row in core_rows(case)]
    rates = "".join(
        f"- {case['name']}: float32 product of {case['product']:,} x {case['product']:,} at "
        f"{matmul_rate(case) / 1e9:.0f} GFLOP/s; largest difference between peers of the same band "
        f"{_difference(case)}\n"
        for case in report["cases"]
    )
    return f"{origin(report)}\n{markdown(core_header('ours'), rows)}\n{rates}"


def _difference(case: dict[str, Any]) -> str:
    found = [result["difference"] for result in case["results"].values() if "difference" in result]
    return f"{max(found):.0e} of the largest number" if found else "-"


def scaling_table(report: dict[str, Any]) -> str:
    """A row for each length; of each peer its time, the peak of its process, and what the compiler plans for it."""
    names = list(dict.fromkeys(name for case in report["cases"] for name in case["results"]))
    planned = list(dict.fromkeys(name for case in report["cases"] for name in case["temporary_bytes"]))
    header = (
        "tokens",
        *(f"{name}: s" for name in names),
        *(f"{name}: peak MiB" for name in names),
        *(f"{name}: planned MiB" for name in planned),
    )
    rows = [
        (
            f"{case['length']:,}",
            *(
                told(case["results"].get(name), lambda r: f"{statistics.median(r['seconds']['step']):.3g}")
                for name in names
            ),
            *(told(case["results"].get(name), lambda r: f"{r['peak_mib']:,}") for name in names),
            *(told(case["temporary_bytes"].get(name), lambda size: f"{size / 2**20:,.0f}") for name in planned),
        )
        for case in report["cases"]
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


def long_row_table(report: dict[str, Any]) -> str:
    """One row: what a step over the long row took."""
    return f"{origin(report)}\n{markdown(LONG_ROW_HEADER, [long_row_cells(report)])}"


def parallel_table(report: dict[str, Any]) -> str:
    """A row for each length and number of devices."""
    kinds = list(dict.fromkeys(kind for case in report["cases"] for kind in case["collectives"]))
    header = ("tokens", "devices", "largest error", *(f"{kind}, bytes" for kind in kinds), "MiB per device")
    rows = [
        (
            f"{case['tokens']:,}",
            str(case["devices"]),
            f"{case['error']:.0e} of {case['largest_value']:.1f}",
            *(told(case["collectives"].get(kind), lambda sent: f"{sent['bytes']:,}") for kind in kinds),
            f"{case['bytes_per_device'] / 2**20:.0f}",
        )
        for case in report["cases"]
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "core": core_table,
    "scaling": scaling_table,
    "long_row": long_row_table,
    "parallel": parallel_table,
    "gpu": gpu_table,
}
