"""A sweep's table: a row for each setting, over its seeds; the best by the sweep's own metric first."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tabulated
from sweeps.search import settings_tried
from sweeps.space import Search, Setting
from sweeps.state import DONE, State, score, scores
from sweeps.sweep import Point, Sweep
from whole_files import write_text


@dataclass(frozen=True)
class Row:
    """A setting's scores by split and seed, of the points that are done; `states` counts points by how they ended."""

    setting: Setting
    scores: dict[str, dict[int, float]]
    states: Counter[str]
    points: tuple[Point, ...]

    @property
    def values(self) -> dict[int, float]:
        """On the split that settings are chosen by."""
        return next(iter(self.scores.values()))

    @property
    def mean(self) -> float:
        return tabulated.mean_and_deviation(self.values.values())[0]


def settings_of(sweep: Sweep) -> list[Setting]:
    return settings_tried(sweep) if isinstance(sweep.settings, Search) else list(sweep.settings)


def points_of(sweep: Sweep) -> list[Point]:
    """All that the sweep has; of a search, those that were tried."""
    return [sweep.point(setting, seed) for setting in settings_of(sweep) for seed in sweep.seeds]


def rows_of(sweep: Sweep) -> list[Row]:
    """From the best to the worst, behind them those whose score is not finite, then those that have none yet.

    Raises:
      InputError: a finished point has no score of that name; those that it has are listed.
    """
    state, rows = State(sweep.root), []
    for setting in settings_of(sweep):
        points = tuple(sweep.point(setting, seed) for seed in sweep.seeds)
        states = {point.seed: state.of(point) for point in points}
        done = [point for point in points if states[point.seed] == DONE]
        values = {split: {each.seed: score(each, split, sweep.metric) for each in done} for split in sweep.splits}
        rows.append(Row(setting, values, Counter(states.values()), points))
    sign = 1 if sweep.goal == "min" else -1
    return sorted(rows, key=lambda row: (not row.values, *_last_if_not_finite(sign * row.mean if row.values else 0)))


def _last_if_not_finite(value: float) -> tuple[bool, float]:
    return (False, value) if math.isfinite(value) else (True, 0.0)


def baseline_of(sweep: Sweep, rows: Iterable[Row], split: str) -> tuple[str, float] | None:
    """What a model that ignores its input scores, as the first finished point tells."""
    for row in rows:
        for point in row.points:
            told = scores(point, split).get("baseline") or {}
            if "name" in told and sweep.metric in told:
                return told["name"], told[sweep.metric]
    return None


def markdown(sweep: Sweep, rows: Sequence[Row]) -> str:
    keys = keys_of(rows)
    header = [*keys, *(f"{split} {sweep.metric}" for split in sweep.splits), "seeds", "points"]
    cells = [[*(_short(row.setting.get(key, "")) for key in keys), *_told(row)] for row in rows]
    notes = [
        f"`{sweep.recipe}`; mean ± sample deviation over the seeds, of each run's best checkpoint; in the order of "
        f"{sweep.splits[0]}, better is {sweep.goal}."
    ]
    baselines = {split: baseline_of(sweep, rows, split) for split in sweep.splits}
    notes += [
        f"A model that ignores its input ({found[0]}): {found[1]:.4g} on {split}."
        for split, found in baselines.items()
        if found
    ]
    return f"{tabulated.markdown(header, cells)}\n{' '.join(notes)}\n"


def keys_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row.setting))


def write(sweep: Sweep, rows: Sequence[Row]) -> list[Path]:
    """table.md, and table.csv with a line for each point that is done."""
    page, sheet, keys = sweep.root / "table.md", sweep.root / "table.csv", keys_of(rows)
    write_text(page, markdown(sweep, rows))
    lines = io.StringIO(newline="")
    out = csv.writer(lines)
    out.writerow([*keys, "seed", *(f"{split} {sweep.metric}" for split in sweep.splits)])
    for row in rows:
        for seed in row.values:
            told = (values[seed] for values in row.scores.values())
            out.writerow([*(row.setting.get(key, "") for key in keys), seed, *told])
    write_text(sheet, lines.getvalue())
    return [page, sheet]


def _told(row: Row) -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(row.states.items()))
    return [*map(_spread, row.scores.values()), str(len(row.values)), states]


def _spread(values: dict[int, float]) -> str:
    if not values:
        return "-"
    mean, deviation = tabulated.mean_and_deviation(values.values())
    return f"{mean:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
