"""From the file that `python -m experiments.sizes` writes to the table of the page and of the README."""

from collections.abc import Callable, Iterator
from typing import Any

from experiments.speed.page import origin
from tabulated import markdown

HEADER = (
    "size", "tokens", "parameters (M)", "training MFLOP/token", "memory (GiB)", "s/step", "less memory", "faster",
)  # fmt: skip


def costs_table(report: dict[str, Any]) -> str:
    """A row for each size and length; in a cell the Transformer stands first, the Longformer second."""
    return f"{origin(report)}\nIn each pair: Transformer / Longformer.\n\n{markdown(HEADER, _rows(report['costs']))}"


def _rows(costs: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    by_key = {(cost["size"], cost["length"], cost["model"]): cost for cost in costs}
    for size, length in dict.fromkeys((cost["size"], cost["length"]) for cost in costs):
        keys = [(size, length, model) for model in ("transformer", "longformer")]
        if not all(key in by_key for key in keys):  # the script was stopped between the two
            continue
        pair = [by_key[key] for key in keys]
        yield (
            size,
            f"{length:,}",
            _pair(f"{cost['parameters'] / 1e6:.1f}" for cost in pair),
            _pair(f"{cost['flops_per_token'] / 1e6:,.0f}" for cost in pair),
            _pair(f"{cost['peak_bytes'] / 2**30:.2f}" for cost in pair),
            _pair("-" if cost["step_seconds"] is None else f"{cost['step_seconds']:.2f}" for cost in pair),
            _less(*(cost["peak_bytes"] for cost in pair)),
            _less(*(cost["step_seconds"] for cost in pair)),
        )


def _pair(cells: Iterator[str]) -> str:
    return " / ".join(cells)


def _less(transformer: float | None, longformer: float | None) -> str:
    """Whose number is the smaller, and by which factor."""
    if transformer is None or longformer is None:
        return "-"
    name, factor = (
        ("Longformer", transformer / longformer)
        if longformer < transformer
        else ("Transformer", longformer / transformer)
    )
    return f"{name} {factor:.1f}x"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"models": costs_table}
