"""The table of the harness's scores by two backends."""

from collections.abc import Callable, Mapping
from typing import Any

from experiments.speed.page import origin
from tabulated import markdown

HEADER = ("task", "score", "this project", "transformers", "difference")


def harness_table(report: Mapping[str, Any]) -> str:
    ours, theirs = report["scores"]["ours"], report["scores"]["transformers"]
    rows = [
        (task, name, f"{ours[task][name]:.6f}", f"{value:.6f}", f"{abs(ours[task][name] - value):.1e}")
        for task, scores in theirs.items()
        for name, value in scores.items()
        if name != "sample_len"
    ]
    return f"{origin(report)}\n{markdown(HEADER, rows)}"


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {"harness": harness_table}
