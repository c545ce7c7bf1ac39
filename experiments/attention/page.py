"""From the JSON files that the scripts of this study write to the tables of its page."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from experiments.attention.gpu_page import gpu_table
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
        f"{matmul_rate(case) / 1e9:.0f} GFLOP/s; largest difference between peers of the same band {_difference(case)}\n"
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


def model_table(report: dict[str, Any]) -> str:
    """A row for each peer, and what a step takes beyond its products."""
    results = report["results"]
    header = ("peer", "s/step: median (least to most)", "over ours", "GFLOP/s", "of the matmul rate", "peak MiB")
    rate = matmul_rate({"product": report["product"], "peers": ["products"], "results": results})
    done = {"ours": report["flops"], "longformer": report["flops"], "products": report["products_flops"]}
    case = {"peers": ["ours"], "results": results}
    rows = [
        (
            peer,
            spread(result["seconds"]["step"], digits=3),
            "1" if peer == "ours" else spread(peer_ratios(case, peer, "step"), digits=2),
            f"{done[peer] / statistics.median(result['seconds']['step']) / 1e9:.0f}",
            f"{done[peer] / statistics.median(result['seconds']['step']) / rate:.0%}",
            f"{result['peak_mib']:,}",
        )
        for peer, result in results.items()
        if "error" not in result
    ]
    failed = "".join(f"- {peer} does not run: {result['error']}\n" for peer, result in results.items() if "error" in result)
    ours = statistics.median(results["ours"]["seconds"]["step"])
    alone = statistics.median(ours / theirs for ours, theirs in zip(
        results["ours"]["seconds"]["step"], results["products"]["seconds"]["step"], strict=True))  # fmt: skip
    verdict = (
        f"- a step takes {alone:.2f} times as long as its matrix products alone ({report['products_flops'] / 1e9:.0f} "
        f"GFLOP in the blocks' shapes), and {ours * rate / report['flops']:.2f} times as long as the "
        f"{report['flops'] / 1e9:.0f} GFLOP that it needs at the machine's matmul rate, {rate / 1e9:.0f} GFLOP/s\n"
    )
    return f"{origin(report)}\n{markdown(header, rows)}\n{failed}{verdict}"


def scaling_table(report: dict[str, Any]) -> str:
    """A row for each length; of each peer its time and its memory."""
    peers = list(dict.fromkeys(point["peer"] for point in report["points"]))
    by_key = {(point["length"], point["peer"]): point for point in report["points"]}
    header = ("tokens", *(f"{peer}: {what}" for what in ("s", "temporary GiB", "growth GiB") for peer in peers))
    rows = [
        (
            f"{length:,}",
            *(_told(by_key.get((length, peer), {}), "seconds", 1) for peer in peers),
            *(_told(by_key.get((length, peer), {}), "temporary_bytes", 2**30) for peer in peers),
            *(_told(by_key.get((length, peer), {}), "growth_bytes", 2**30) for peer in peers),
        )
        for length in dict.fromkeys(point["length"] for point in report["points"])
    ]
    skipped = "".join(f"- {p['peer']} at {p['length']:,} tokens: {p['skipped']}\n" for p in report["points"] if p["skipped"])
    return f"{origin(report)}\n{markdown(header, rows)}\n{skipped}"


def _told(point: dict[str, Any], key: str, unit: float) -> str:
    value = point.get(key)
    if value is None:
        return "-"
    return f"{statistics.median(value) if isinstance(value, list) else value / unit:.3g}"


def long_row_table(report: dict[str, Any]) -> str:
    """A row for each length that was run."""
    header = ("tokens", "parameters (M)", "predicted", "TFLOP needed", "s, compiled", "s to compile", "peak GiB", "compiler's GiB", "loss")  # fmt: skip
    rows = [
        (
            f"{run['tokens']:,}",
            f"{run['parameters'] / 1e6:.1f}",
            f"{run['predicted']:,}",
            f"{run['flops'] / 1e12:.1f}",
            "does not fit" if run["seconds"] is None else f"{run['seconds']:.0f}",
            f"{run['compile_seconds']:.0f}",
            "-" if run["peak_bytes"] is None else f"{run['peak_bytes'] / 2**30:.1f}",
            f"{run['planned_bytes'] / 2**30:.1f}",
            "-" if run["loss"] is None else f"{run['loss']:.3f}",
        )
        for run in report["runs"]
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "core": core_table,
    "model": model_table,
    "scaling": scaling_table,
    "long_row": long_row_table,
    "gpu": gpu_table,
}
