"""From the file that `python -m experiments.tokenizers.compare` writes to the table of the page."""

from collections.abc import Callable
from typing import Any

from experiments.speed.page import origin
from experiments.table import markdown

HEADER = (
    "vocabulary", "corpus", "lines", "tokens", "lines that differ in ids", "the same, <unk> renamed", "in offsets",
    "in ids, from its maker's library", "M tokens/s: ours / theirs",
)  # fmt: skip


def lines_table(report: dict[str, Any]) -> str:
    """A row for each vocabulary and corpus, and one of sums."""
    rows = report["rows"]
    compared = sum(row["lines"] for row in rows)
    unlike = sum(row["ids_renamed"] + row["offsets"] + row["face"] + (row["maker_ids"] or 0) for row in rows)
    return (
        f"{origin(report)}\n{markdown(HEADER, map(_row, rows))}\n"
        f"In all {compared:,} lines compared; {unlike:,} differences once <unk> has its id. Speeds are of one run on a "
        "machine that others used too.\n"
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    rates = (f"{row['tokens'] / row[f'seconds_{who}'] / 1e6:.2f}" for who in ("ours", "theirs"))
    counts = (f"{row[key]:,}" for key in ("lines", "tokens", "ids", "ids_renamed", "offsets"))
    maker = "-" if row["maker_ids"] is None else f"{row['maker_ids']:,}"
    return (row["vocabulary"], row["corpus"], *counts, maker, " / ".join(rates))


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"lines": lines_table}
