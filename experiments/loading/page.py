"""From the file that `python -m experiments.loading` writes to the table of the page."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from experiments.loading.cases import OURS, PARITY, PEAK, SAVE
from experiments.speed.page import origin
from experiments.table import spread
from tabulated import markdown

HEADER = (
    "case", "peer", "s: median (least to most)", "times ours", "processor s", "then reading all, s", "importing, s",
    "peak, of the weights",
)  # fmt: skip


def load_table(report: dict[str, Any]) -> str:
    """A row for each peer of each case, and a verdict for each case."""
    size = 4 * report["parameters"]
    rows = [row for case, peers in report["cases"].items() for row in _rows(case, peers, size)]
    verdicts = "".join(f"- {case}: {_verdict(peers, size)}\n" for case, peers in report["cases"].items())
    rounds = len(next(iter(report["cases"].values()))[OURS])
    return (
        f"{origin(report)}\n{report['parameters'] / 1e6:.1f} M parameters, {size / 1e6:.0f} MB in float32; "
        f"{rounds} rounds.\n\n{markdown(HEADER, rows)}\n{verdicts}"
    )


def _rows(case: str, peers: dict[str, list[dict[str, Any]]], size: int) -> Iterator[tuple[str, ...]]:
    for peer, told in peers.items():
        yield (
            case,
            peer,
            spread([each["seconds"] for each in told], digits=2),
            "1" if peer == OURS else spread(ratios(peers, peer), digits=2),
            f"{_median(told, 'processor_seconds'):.2f}",
            "-" if case == SAVE else f"{_median(told, 'read_seconds'):.2f}",
            f"{_median(told, 'import_seconds'):.1f}",
            f"{_median(told, 'peak_bytes') / size:.2f}",
        )


def ratios(peers: dict[str, list[dict[str, Any]]], peer: str) -> list[float]:
    """The peer's time over ours, round by round."""
    return [theirs["seconds"] / ours["seconds"] for theirs, ours in zip(peers[peer], peers[OURS], strict=True)]


def _median(told: list[dict[str, Any]], what: str) -> float:
    return statistics.median(each[what] for each in told)


def _verdict(peers: dict[str, list[dict[str, Any]]], size: int) -> str:
    told = []
    for peer in peers:
        if peer != OURS:
            ratio = statistics.median(ratios(peers, peer))
            told.append(
                f"{ratio:.2f} times as fast as {peer} ({'reaches' if ratio >= PARITY else 'misses'} {PARITY:g})"
            )
    peak = _median(peers[OURS], "peak_bytes") / size
    told.append(f"peak {peak:.2f} times the weights ({'keeps' if peak <= PEAK else 'exceeds'} {PEAK:g})")
    return "; ".join(told)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"load": load_table}
