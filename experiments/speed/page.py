"""From the JSON files that the speed scripts write to the tables of the page."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from experiments.table import spread
from tabulated import markdown

OURS, PRODUCTS_ALONE = "ours", "products"
PRODUCT_FLOPS = 2 * 2048 * 768 * 3072  # of the matrix product that the workers time


def origin(report: dict[str, Any]) -> str:
    """Where the numbers under it come from."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"`{report['command']}`, commit {report['commit'][:7]}{'+' if report['commit'].endswith('+changes') else ''}, "
        f"{report['cpu']}, {report['cores']} cores; {versions}{_surroundings(report)}.\n"
    )


def _surroundings(report: dict[str, Any]) -> str:
    told = [f"`{name}={report[name]}`" for name in ("GLIBC_TUNABLES", "XLA_FLAGS") if name in report]
    return f"; with {' and '.join(told)}" if told else ""


def encoder_table(report: dict[str, Any]) -> str:
    """A row for each peer of each case, and a verdict for each case."""
    header = (
        "case",
        "peer",
        "s/step: median (least to most)",
        "times ours",
        "GFLOP/s",
        "of the matmul rate",
        "peak MiB",
    )
    rows = [row for case in report["cases"] for row in _case_rows(case)]
    verdicts = "".join(f"- {_verdict(case)}\n" for case in report["cases"])
    return f"{origin(report)}\n{markdown(header, rows)}\n{verdicts}"


def _case_rows(case: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    rate = matmul_rate(case)
    for name, result in case["results"].items():
        if "error" in result:
            yield case["name"], name, f"does not run: {result['error']}", "-", "-", "-", "-"
            continue
        seconds = result["seconds"]
        median = statistics.median(seconds)
        # Operations are counted for our model; a dense peer of the Longformer does more of them for the same text.
        flops = case["flops"] if name == OURS or name in case["same_model"] else None
        flops = case["product_flops"] if name == PRODUCTS_ALONE else flops
        yield (
            case["name"],
            name,
            spread(seconds, digits=3),
            "1" if name == OURS else spread(ratios(case, name), digits=2),
            f"{flops / median / 1e9:.0f}" if flops else "-",
            f"{flops / median / rate:.0%}" if flops else "-",
            str(result["peak_mib"]),
        )


def matmul_rate(case: dict[str, Any]) -> float:
    """FLOP/s of the faster library's median product of [2048 768] and [768 3072], timed between the steps."""
    medians = [statistics.median(r["matmul_seconds"]) for r in case["results"].values() if "error" not in r]
    return PRODUCT_FLOPS / min(medians)


def ratios(case: dict[str, Any], peer: str) -> list[float]:
    """The peer's time over ours, round by round."""
    pairs = zip(case["results"][peer]["seconds"], case["results"][OURS]["seconds"], strict=True)
    return [theirs / ours for theirs, ours in pairs]


def _verdict(case: dict[str, Any]) -> str:
    told = []
    for peer, least in case["least"].items():
        if "error" in case["results"][peer]:
            continue
        ratio = statistics.median(ratios(case, peer))
        told.append(f"{ratio:.2f} times as fast as {peer} ({'reaches' if ratio >= least else 'misses'} {least:g})")
    if "seconds" in case["results"].get(PRODUCTS_ALONE, {}):
        told.append(_beside_products(case))
    return f"{case['name']}: {'; '.join(told)}"


def _beside_products(case: dict[str, Any]) -> str:
    """Ours against its matrix products: those of a program of their own, and its operations at the measured rate."""
    most = case["most"][PRODUCTS_ALONE]
    alone = statistics.median(1 / ratio for ratio in ratios(case, PRODUCTS_ALONE))
    counted = statistics.median(case["results"][OURS]["seconds"]) * matmul_rate(case) / case["flops"]
    alone, counted = (
        f"{ratio:.2f} times ({'keeps' if ratio <= most else 'exceeds'} {most:g})" for ratio in (alone, counted)
    )
    more = case["product_flops"] / case["flops"] - 1
    return (
        f"takes {alone} as long as its matrix products alone, which are {more:.1%} more operations than it needs, "
        f"and {counted} as long as its operations at the matmul rate"
    )


def quickstart_table(report: dict[str, Any]) -> str:
    """A row for each start."""
    header = ("compilation cache", "s to the first step", "data waiting, share of step time", "tokens/s", "steps")
    rows = [
        (
            start["cache"],
            f"{start['seconds_to_first_step']:.1f}",
            f"{start['data_wait_share']:.2%}",
            f"{start['tokens_per_second']:,.0f}",
            str(start["steps"]),
        )
        for start in report["starts"]
    ]
    return f"{origin(report)}\n{markdown(header, rows)}"


DEEPER = 1.3  # what a scanned stack four times as deep may take at most, in times of the shallow one


def compile_time_table(report: dict[str, Any]) -> str:
    """A row for each model, deep beside shallow."""
    header = (
        "model",
        "layers",
        "shallow, s: median (least to most)",
        "deep, s",
        "deep over shallow",
        "bytes planned, GiB",
    )
    cases = {(case["model"], case["scan"], case["depth"]): case for case in report["cases"]}
    shallow, deep = sorted({depth for _, _, depth in cases})
    rows = []
    for model, scan in dict.fromkeys((model, scan) for model, scan, _ in cases):
        few, many = cases[model, scan, shallow], cases[model, scan, deep]
        ratio = statistics.median(many["seconds"]) / statistics.median(few["seconds"])
        verdict = f" ({'keeps' if ratio <= DEEPER else 'exceeds'} {DEEPER:g})" if scan else ""
        rows.append(
            (
                f"{model}, {'scanned' if scan else 'written out'}",
                f"{shallow} and {deep}",
                spread(few["seconds"], digits=1),
                spread(many["seconds"], digits=1),
                f"{ratio:.2f}{verdict}",
                f"{few['peak_bytes'] / 2**30:.2f} and {many['peak_bytes'] / 2**30:.2f}",
            )
        )
    return f"{origin(report)}\n{markdown(header, rows)}"


def loop_table(report: dict[str, Any]) -> str:
    """A row for each form. "added" is formed within each pair of blocks; saving adds to what the loop adds."""
    header = ("form", "ms/step: median (least to most)", "the step alone, ms", "added, %", "of it by saving, %")
    added = {
        form: [100 * (a / b - 1) for a, b in zip(seconds["loop"], seconds["alone"], strict=True)]
        for form, seconds in report["seconds"].items()
    }
    of_the_loop, *_ = map(statistics.median, added.values())
    rows = []
    for form, seconds in report["seconds"].items():
        step, alone = ([1e3 * each / report["block"] for each in seconds[kind]] for kind in ("loop", "alone"))
        saving = statistics.median(added[form]) - of_the_loop
        plain, limit = not rows, report["asked"].get(form)
        kept = (of_the_loop if plain else saving) <= 100 * (limit or 0)
        verdict = f", {'keeps' if kept else 'exceeds'} {100 * limit:g}" if limit else ""
        told = ("", f"{saving:.1f}{verdict}") if not plain else (verdict, "-")
        row = (spread(step, digits=1), spread(alone, digits=1), spread(added[form], digits=1) + told[0], told[1])
        rows.append((form, *row))
    return f"{origin(report)}\n{markdown(header, rows)}"


def gpt2_table(report: dict[str, Any]) -> str:
    """A row for each peer; "times ours" is formed within a round."""
    header = (
        "peer",
        "s/step: median (least to most)",
        "times ours",
        "GFLOP/s",
        "planned MiB",
        "peak MiB",
        "loss",
    )
    results, rows = report["results"], []
    for name, result in results.items():
        if "error" in result:
            rows.append((name, f"does not run: {result['error']}", *["-"] * (len(header) - 2)))
            continue
        seconds = result["seconds"]
        median = statistics.median(seconds)
        rows.append(
            (
                name,
                spread(seconds, digits=2),
                "1" if name == OURS else spread(ratios(report, name), digits=2),
                f"{report['flops'] / median / 1e9:.0f}",
                f"{result['planned'] // 2**20:,}" if result["planned"] else "-",
                f"{result['peak_mib']:,}",
                f"{result['loss']:.2f}",
            )
        )
    return f"{origin(report)}\n{markdown(header, rows)}{_memory_table(report['memory'])}"


def _memory_table(memory: dict[str, Any]) -> str:
    rows = [
        (name, str(memory["rows"]), f"{result['planned'] // 2**20:,}", f"{result['peak_mib']:,}")
        for name, result in memory["results"].items()
    ]
    return f"\n{markdown(('loss', 'rows', 'planned MiB', 'peak MiB'), rows)}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "encoder": encoder_table,
    "quickstart": quickstart_table,
    "compile_time": compile_time_table,
    "loop": loop_table,
    "gpt2": gpt2_table,
}
