"""From the JSON file that gpu.py writes to the tables of the page."""

import statistics
from collections.abc import Iterator
from typing import Any

from experiments.attention.rows import (
    LONG_ROW_HEADER,
    core_header,
    core_rows,
    long_row_cells,
    matmul_rate,
    peer_ratios,
)
from experiments.speed.page import origin
from experiments.table import spread, told
from tabulated import markdown

FASTER_THAN_FLEX, SHARE_OF_MATMUL, SHARE_OF_PEAK = 1.2, 0.5, 0.45  # what was asked for


def gpu_table(report: dict[str, Any]) -> str:
    """A table for each part that has been run, each with its own origin."""
    tables = {"correctness": correctness_table, "core": core_table, "step": step_table, "long_row": long_row_table}
    return "\n".join(
        f"{_origin(part)}\n{tables[name](part)}" for name, part in report["parts"].items() if part["results"]
    )


def _origin(part: dict[str, Any]) -> str:
    memory = f", {part['device_bytes'] / 2**30:.0f} GiB" if part["device_bytes"] else ""
    return f"On {part['device']}{memory}: {origin(part)}"


def correctness_table(part: dict[str, Any]) -> str:
    """A row for each shape and type, with the errors of both programs."""
    measured = [result for result in part["results"] if "error" not in result]
    programs = dict.fromkeys(each["implementation"] for result in measured for each in result["errors"])
    header = ("shape", "tokens", "type", *(f"{program}: values, gradients" for program in programs), "")
    rows = [row for result in part["results"] for row in _correctness_rows(result, tuple(programs))]
    agreeing = sum(_agrees(result["errors"]) for result in measured)
    return f"{markdown(header, rows)}\n- {agreeing} of {len(part['results'])} shapes agree in every type\n"


def _correctness_rows(result: dict[str, Any], programs: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if "error" in result:
        yield result["name"], "-", "-", *("-" for _ in programs), f"does not run: {result['error']}"
        return
    for dtype, precision in dict.fromkeys((each["dtype"], each["precision"]) for each in result["errors"]):
        of_type = [each for each in result["errors"] if (each["dtype"], each["precision"]) == (dtype, precision)]
        errors = {each["implementation"]: f"{each['values']:.0e}, {each['gradients']:.0e}" for each in of_type}
        kind = dtype + (", exact products" if precision == "highest" else "")
        verdict = "agrees" if _agrees(of_type) else "differs"
        yield result["name"], f"{result['length']:,}", kind, *(errors[program] for program in programs), verdict


def _agrees(errors: list[dict[str, Any]]) -> bool:
    return all(each["agrees"] for each in errors)


def core_table(part: dict[str, Any]) -> str:
    """A row for each peer and pass, and what was asked for."""
    tables = []
    for case in part["results"]:
        if "error" in case:
            tables.append(f"- {case['name']}: {case['error']}\n")
            continue
        rate = f"{case['dtype']} product of {case['product']:,} x {case['product']:,}: {matmul_rate(case) / 1e12:,.1f}"
        verdicts = "".join(f"- {verdict}\n" for verdict in _core_verdicts(case))
        header = core_header(case["peers"][0])
        tables.append(f"{markdown(header, core_rows(case))}\n- {rate} TFLOP/s\n{verdicts}")
    return "\n".join(tables)


def _core_verdicts(case: dict[str, Any]) -> Iterator[str]:
    for peer, result in case["results"].items():
        if "error" in result or not peer.startswith("ours"):
            continue
        seconds = result["seconds"]["step"]
        share = case["flops"]["step"] / statistics.median(seconds) / matmul_rate(case)
        verdict = [f"{share:.1%} of the matmul rate ({_reached(share, SHARE_OF_MATMUL, '.0%')})"]
        if "error" not in case["results"]["flex"]:
            theirs = peer_ratios(case, "flex", "step")
            own = peer_ratios(case, peer, "step")
            ratio = statistics.median(flex / ours for flex, ours in zip(theirs, own, strict=True))
            verdict.append(f"{ratio:.2f} times as fast as FlexAttention ({_reached(ratio, FASTER_THAN_FLEX, 'g')})")
        if "difference" in result:
            verdict.append(f"within {result['difference']:.0e} of {case['peers'][0]}")
        yield f"{case['name']}, forward + backward, {peer}: {', '.join(verdict)}"


def step_table(part: dict[str, Any]) -> str:
    """A row for each run, and the best share of the peak."""
    header = (
        "size", "tokens", "rows", "program", "dropout", "s/step: median (least to most)", "tokens/s", "TFLOP/s",
        "of the matmul rate", "of the peak", "device memory, GiB",
    )  # fmt: skip
    rows = [_step_row(run, part["peak_flops"]) for run in part["results"]]
    shares = [_speed(run) / part["peak_flops"] for run in part["results"] if "error" not in run]
    best = f"- at best {max(shares):.1%} of {part['peak_flops'] / 1e12:g} TFLOP/s" if shares else "- no run"
    verdict = f"{best} ({_reached(max(shares, default=0.0), SHARE_OF_PEAK, '.0%')})\n"
    return f"{markdown(header, rows)}\n{verdict}"


def _step_row(run: dict[str, Any], peak: float) -> tuple[str, ...]:
    what = (run["size"], f"{run['length']:,}", str(run["rows"]), run["implementation"], f"{run['dropout']:g}")
    if "error" in run:
        return *what, f"does not run: {run['error']}", "-", "-", "-", "-", "-"
    seconds = run["seconds"]
    return (
        *what,
        spread(seconds, digits=4),
        f"{run['rows'] * run['length'] / statistics.median(seconds):,.0f}",
        f"{_speed(run) / 1e12:,.1f}",
        f"{_speed(run) / run['matmul_rate']:.0%}",
        f"{_speed(run) / peak:.1%}",
        told(run["peak_bytes"], lambda size: f"{size / 2**30:.1f}"),
    )


def _speed(run: dict[str, Any]) -> float:
    """FLOP/s of the operations that the step needs."""
    return run["flops"] / statistics.median(run["seconds"])


def long_row_table(part: dict[str, Any]) -> str:
    """A row for each program."""
    return markdown(LONG_ROW_HEADER, [long_row_cells(result) for result in part["results"]])


def _reached(value: float, least: float, form: str) -> str:
    return f"{'reaches' if value >= least else 'misses'} {least:{form}}"
