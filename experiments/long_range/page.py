"""The table of what needs no net."""

from collections.abc import Callable, Mapping
from typing import Any

from experiments.speed.page import origin
from tabulated import markdown


def trivial_table(report: Mapping[str, Any]) -> str:
    names = list(next(iter(report["data"].values()))["right"])
    header = ("data", "training", "test", *(f"{name}, % right" for name in names), "loss by the first word, nats")
    rows = [
        (
            name,
            f"{of['train']:,}",
            f"{of['test']:,}",
            *(f"{of['right'][each]:.1f}" for each in names),
            f"{of['nats']:.3f}",
        )
        for name, of in report["data"].items()
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {"trivial": trivial_table}
