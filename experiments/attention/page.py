"""From the JSON files that the attention scripts write to the tables of the page."""

import statistics
from collections.abc import Callable
from typing import Any

from experiments.speed.page import OURS, origin
from experiments.table import markdown

PASSES = ("forward", "step")


def core_table(report: dict[str, Any]) -> str:
    """A row for each peer of each case: forward, and forward with backward."""
    header = ("case", "peer", "forward, s", "times ours", "forward + backward, s", "times ours", "GFLOP/s", "of matmul")
    rows = []
    for case in report["cases"]:
        ours = case["results"][OURS]["seconds"]
        rate = 2 * case["product"] ** 3 / statistics.median(ours["matmul"])
        for name, result in case["results"].items():
            if "error" in result:
                rows.append((case["name"], name, f"does not run: {result['error']}", *"-----"))
                continue
            medians = {each: statistics.median(result["seconds"][each]) for each in PASSES}
            times = {each: medians[each] / statistics.median(ours[each]) for each in PASSES}
            speed = case["flops"]["step"] / medians["step"]
            banded = name == OURS or name in case["same_values"]
            rows.append(
                (
                    case["name"],
                    name,
                    f"{medians['forward']:.3f}",
                    f"{times['forward']:.2f}",
                    f"{medians['step']:.3f}",
                    f"{times['step']:.2f}",
                    f"{speed / 1e9:.0f}" if banded else "-",
                    f"{speed / rate:.0%}" if banded else "-",
                )
            )
    return f"{origin(report)}\n{markdown(header, rows)}"


def scaling_table(report: dict[str, Any]) -> str:
    """A row for each length: seconds of each peer, and what the compiler plans."""
    names = list(report["cases"][0]["results"])
    header = ("tokens", *(f"{name}, s" for name in names), "ours, MiB planned", "dense, MiB planned")
    rows = []
    for case in report["cases"]:
        done = (case["results"].get(name, {}) for name in names)
        seconds = (f"{statistics.median(each['seconds']['step']):.3f}" if "seconds" in each else "-" for each in done)
        planned = (f"{case['temporary_bytes'][name] / 2**20:,.0f}" for name in (OURS, "dense"))
        rows.append((f"{case['length']:,}", *seconds, *planned))
    return f"{origin(report)}\n{markdown(header, rows)}"


def parallel_table(report: dict[str, Any]) -> str:
    """A row for each length and number of devices."""
    header = ("tokens", "devices", "largest error", "MiB a device", "edges sent, KiB", "gathered and summed, KiB")
    rows = []
    for case in report["cases"]:
        sent = case["collectives"]
        edges = sent.get("collective-permute", {"bytes": 0})["bytes"]
        rest = sum(each["bytes"] for each in sent.values()) - edges
        rows.append(
            (
                f"{case['tokens']:,}",
                str(case["devices"]),
                f"{case['error']:.0e}",
                f"{case['bytes_per_device'] / 2**20:.1f}",
                f"{edges / 1024:,.1f}",
                f"{rest / 1024:,.1f}",
            )
        )
    return f"{origin(report)}\n{markdown(header, rows)}"


def long_row_table(report: dict[str, Any]) -> str:
    """One row: the long one."""
    header = ("tokens", "layers", "forward + backward, s", "peak of the process, GiB", "planned, GiB", "loss", "finite")
    row = (
        f"{report['tokens']:,}",
        str(report["depth"]),
        f"{report['seconds'][-1]:.0f}",
        f"{report['peak_mib'] / 1024:.1f}",
        f"{report['temporary_bytes'] / 2**30:.1f}",
        f"{report['loss']:.3f}",
        "yes" if report["finite"] else "no",
    )
    return f"{origin(report)}\n{markdown(header, [row])}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "core": core_table,
    "scaling": scaling_table,
    "parallel": parallel_table,
    "long_row": long_row_table,
}
