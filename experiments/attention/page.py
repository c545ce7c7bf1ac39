"""From the JSON files that the scripts of this study write to the tables of its page."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from experiments.speed.page import origin, ratios
from experiments.table import markdown

PASS_NAMES = {"forward": "forward", "step": "forward + backward"}


def core_table(report: dict[str, Any]) -> str:
    """A row for each peer, pass and length."""
    header = (
        "case", "pass", "peer", "s: median (least to most)", "times ours", "GFLOP/s of the band",
        "of the matmul rate", "peak MiB",
    )  # fmt: skip
    rows = [row for case in report["cases"] for row in core_rows(case)]
    rates = "".join(
        f"- {case['name']}: float32 product of {case['product']:,} x {case['product']:,} at "
        f"{matmul_rate(case) / 1e9:.0f} GFLOP/s; largest difference between peers of the same band "
        f"{_difference(case)}\n"
        for case in report["cases"]
    )
    return f"{origin(report)}\n{markdown(header, rows)}\n{rates}"


def core_rows(case: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    first = case["peers"][0]
    for each, pass_name in PASS_NAMES.items():
        for peer, result in case["results"].items():
            if "error" in result:
                yield case["name"], pass_name, peer, f"does not run: {result['error']}", "-", "-", "-", "-"
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
    timed = {"ours": case["peers"][0], peer: peer}
    return ratios(
        {"results": {name: {"seconds": case["results"][of]["seconds"][question]} for name, of in timed.items()}}, peer
    )


def matmul_rate(case: dict[str, Any]) -> float:
    """FLOP/s of the product of two square matrices, timed between the steps of the first peer."""
    return 2 * case["product"] ** 3 / statistics.median(case["results"][case["peers"][0]]["seconds"]["matmul"])


def spread(values: list[float], *, digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


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
                _told(case["results"].get(name), lambda r: f"{statistics.median(r['seconds']['step']):.3g}")
                for name in names
            ),
            *(_told(case["results"].get(name), lambda r: f"{r['peak_mib']:,}") for name in names),
            *(_told(case["temporary_bytes"].get(name), lambda size: f"{size / 2**20:,.0f}") for name in planned),
        )
        for case in report["cases"]
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


def _told(found: Any, tell: Callable[[Any], str]) -> str:
    """`-` for a peer that had left, or could not run."""
    return "-" if found is None or (isinstance(found, dict) and "error" in found) else tell(found)


def long_row_table(report: dict[str, Any]) -> str:
    """One row: what a step over the long row took."""
    header = ("tokens", "layers", "s", "compiler's plan, GiB", "peak of the process, GiB", "loss", "gradients")
    row = (
        f"{report['tokens']:,}",
        str(report["depth"]),
        f"{statistics.median(report['seconds']):.0f}",
        f"{report['temporary_bytes'] / 2**30:.1f}",
        f"{report['peak_mib'] / 1024:.1f}",
        f"{report['loss']:.3f}",
        "finite" if report["finite"] else "not finite",
    )
    return f"{origin(report)}\n{markdown(header, [row])}"


def parallel_table(report: dict[str, Any]) -> str:
    """A row for each length and number of devices."""
    kinds = list(dict.fromkeys(kind for case in report["cases"] for kind in case["collectives"]))
    header = ("tokens", "devices", "largest error", *(f"{kind}, bytes" for kind in kinds), "MiB per device")
    rows = [
        (
            f"{case['tokens']:,}",
            str(case["devices"]),
            f"{case['error']:.0e} of {case['largest_value']:.1f}",
            *(_told(case["collectives"].get(kind), lambda sent: f"{sent['bytes']:,}") for kind in kinds),
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
}
