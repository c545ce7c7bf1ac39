"""A sweep's table: a row for each setting, over its seeds; the best by the sweep's own metric first."""

import csv
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError
from sweeps.search import settings_tried
from sweeps.space import Search, Setting
from sweeps.state import DONE, State, scores
from sweeps.sweep import Point, Sweep


@dataclass(frozen=True)
class Row:
    """A setting's scores by seed, of the points that are done; `states` counts its points by how they ended."""

    setting: Setting
    values: dict[int, float]
    states: Counter[str]
    points: tuple[Point, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values.values())

    @property
    def deviation(self) -> float | None:
        """The sample deviation (n - 1); one seed has none."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


def settings_of(sweep: Sweep) -> list[Setting]:
    return settings_tried(sweep) if isinstance(sweep.settings, Search) else list(sweep.settings)


def points_of(sweep: Sweep) -> list[Point]:
    """All that the sweep has; of a search, those that were tried."""
    return [sweep.point(setting, seed) for setting in settings_of(sweep) for seed in sweep.seeds]


def rows_of(sweep: Sweep) -> list[Row]:
    """From the best to the worst, and behind them those that have no score yet.

    Raises:
      InputError: a finished point has no score of that name; those that it has are listed.
    """
    state, rows = State(sweep.root), []
    for setting in settings_of(sweep):
        points = tuple(sweep.point(setting, seed) for seed in sweep.seeds)
        states = {point.seed: state.of(point) for point in points}
        values = {point.seed: _value(sweep, point) for point in points if states[point.seed] == DONE}
        rows.append(Row(setting, values, Counter(states.values()), points))
    sign = 1 if sweep.goal == "min" else -1
    return sorted(rows, key=lambda row: (not row.values, sign * row.mean if row.values else 0))


def baseline_of(sweep: Sweep, rows: Iterable[Row]) -> tuple[str, float] | None:
    """What a model that ignores its input scores, as the first finished point tells."""
    for row in rows:
        for point in row.points:
            told = scores(point, sweep.split).get("baseline") or {}
            if "name" in told and sweep.metric in told:
                return told["name"], told[sweep.metric]
    return None


def markdown(sweep: Sweep, rows: Sequence[Row]) -> str:
    keys = keys_of(rows)
    lines = [
        [*keys, f"{sweep.split} {sweep.metric}", "seeds", "points"],
        ["---"] * (len(keys) + 3),
        *([*(_short(row.setting.get(key, "")) for key in keys), *_told(row)] for row in rows),
    ]
    text = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    notes = [f"`{sweep.recipe}`; mean ± sample deviation over the seeds; better is {sweep.goal}."]
    if baseline := baseline_of(sweep, rows):
        notes.append(f"A model that ignores its input ({baseline[0]}): {baseline[1]:.4g}.")
    return f"{text}\n{' '.join(notes)}\n"


def keys_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row.setting))


def write(sweep: Sweep, rows: Sequence[Row]) -> list[Path]:
    """table.md, and table.csv with a line for each point that is done."""
    page, sheet, keys = sweep.root / "table.md", sweep.root / "table.csv", keys_of(rows)
    sweep.root.mkdir(parents=True, exist_ok=True)
    page.write_text(markdown(sweep, rows), encoding="utf-8")
    with open(sheet, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow([*keys, "seed", sweep.metric])
        for row in rows:
            out.writerows([*(row.setting.get(key, "") for key in keys), *pair] for pair in row.values.items())
    return [page, sheet]


def _value(sweep: Sweep, point: Point) -> float:
    found = scores(point, sweep.split)
    if sweep.metric not in found:
        there = ", ".join(sorted(name for name, value in found.items() if isinstance(value, float)))
        told = f"it has {there}" if there else f"there is no result_{sweep.split}.json; add its evaluation to `then`"
        raise InputError(f"{point.workdir}: has no score {sweep.metric!r} of {sweep.split}; {told}")
    return found[sweep.metric]


def _told(row: Row) -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(row.states.items()))
    if not row.values:
        return ["-", "0", states]
    spread = "" if row.deviation is None else f" ± {row.deviation:.2g}"
    return [f"{row.mean:.4g}{spread}", str(len(row.values)), states]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
