"""Rows that more than one table of this study has."""

import statistics
from collections.abc import Iterator
from typing import Any

from experiments.table import spread, told

PASS_NAMES = {"forward": "forward", "step": "forward + backward"}
LONG_ROW_HEADER = (
    "tokens", "layers", "type", "program", "s", "compiler's plan, GiB", "peak of the process, GiB",
    "of the device's memory, GiB", "loss", "gradients",
)  # fmt: skip


def core_header(first: str) -> tuple[str, ...]:
    return (
        "case", "pass", "peer", "s: median (least to most)", f"times {first}", "GFLOP/s of the band",
        "of the matmul rate", "peak MiB",
    )  # fmt: skip


def core_rows(case: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    first = case["peers"][0]
    for each, pass_name in PASS_NAMES.items():
        for peer, result in case["results"].items():
            if "error" in result:
                yield case["name"], pass_name, peer, f"no time: {result['error']}", "-", "-", "-", "-"
                continue
            seconds = result["seconds"][each]
            rate = case["flops"][each] / statistics.median(seconds)
            # A peer that attends to all pairs does more operations than the band needs: no rate is told for it.
            counted = peer == first or peer in case["same_values"]
            yield (
                case["name"],
                pass_name,
                peer,
                spread(seconds, digits=4),
                "1" if peer == first else spread(peer_ratios(case, peer, each), digits=2),
                f"{rate / 1e9:,.0f}" if counted else "-",
                f"{rate / matmul_rate(case):.0%}" if counted else "-",
                f"{result['peak_mib']:,}",
            )


def peer_ratios(case: dict[str, Any], peer: str, question: str) -> list[float]:
    """The peer's time over that of the case's first one, round by round."""
    theirs, first = (case["results"][name]["seconds"][question] for name in (peer, case["peers"][0]))
    return [own / ours for own, ours in zip(theirs, first, strict=True)]


def matmul_rate(case: dict[str, Any]) -> float:
    """FLOP/s of the product of two square matrices, timed between the steps of the first peer."""
    return 2 * case["product"] ** 3 / statistics.median(case["results"][case["peers"][0]]["seconds"]["matmul"])


def long_row_cells(result: dict[str, Any]) -> tuple[str, ...]:
    what = (f"{result['tokens']:,}", str(result["depth"]), result["dtype"], result["implementation"])
    if "error" in result:
        return *what, f"does not run: {result['error']}", "-", "-", "-", "-", "-"
    return (
        *what,
        f"{min(result['seconds']):.3g}",
        f"{result['temporary_bytes'] / 2**30:.1f}",
        f"{result['peak_mib'] / 1024:.1f}",
        told(result["device_peak_bytes"], lambda size: f"{size / 2**30:.1f}"),
        f"{result['loss']:.3f}",
        "finite" if result["finite"] else "not finite",
    )
