"""From the file that `python -m experiments.tokenizers.compare` writes to the table of the page."""

from collections.abc import Callable
from typing import Any

from experiments.speed.page import origin
from tabulated import markdown

HEADER = (
    "vocabulary", "corpus", "lines", "tokens", "lines that differ in ids", "the same, <unk> renamed", "in offsets",
    "in ids, from its maker's library", "M tokens/s: ours / theirs",
)  # fmt: skip


def lines_table(report: dict[str, Any]) -> str:
    """A row for each vocabulary and corpus, and one of sums."""
    rows = report["rows"]
    keys = ("lines", "ids_renamed", "offsets", "face", "maker_ids")
    lines, ids, offsets, face, maker = (sum(row[key] or 0 for row in rows) for key in keys)
    return (
        f"{origin(report)}\n{markdown(HEADER, map(_row, rows))}\n"
        f"In all {lines:,} lines compared. Once <unk> has its id, {ids:,} differ from transformers in ids and "
        f"{offsets:,} in offsets; {maker:,} differ from the makers' libraries, {face:,} between our own two layers. "
        "Speeds are of one run on a machine that others used too.\n"
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    rates = (f"{row['tokens'] / row[f'seconds_{who}'] / 1e6:.2f}" for who in ("ours", "theirs"))
    counts = (f"{row[key]:,}" for key in ("lines", "tokens", "ids", "ids_renamed", "offsets"))
    maker = "-" if row["maker_ids"] is None else f"{row['maker_ids']:,}"
    return (row["vocabulary"], row["corpus"], *counts, maker, " / ".join(rates))


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"lines": lines_table}
