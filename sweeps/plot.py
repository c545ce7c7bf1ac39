"""A sweep's picture: the score over each key, and over the steps of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeps.state import curve
from sweeps.sweep import Sweep, name_of
from sweeps.table import Row, baseline_of, keys_of
from tabulated import mean_and_deviation

MOST_NAMED = 10  # settings in the legend of the curves, values on an axis


def draw(sweep: Sweep, rows: Sequence[Row]) -> Path | None:
    """plot.png in the sweep's directory; None while nothing is done."""
    from matplotlib.figure import Figure  # half a second, and no run needs it

    scored = [row for row in rows if row.values]
    if not scored:
        return None
    keys = [key for key in keys_of(scored) if len({repr(row.setting.get(key)) for row in scored}) > 1]
    figure = Figure(figsize=(4.2 * (len(keys) + 1) + 1.5, 3.6), layout="constrained")  # and room for a legend
    axes = figure.subplots(1, len(keys) + 1, squeeze=False)[0]
    for axis, key in zip(axes, keys, strict=False):
        _over_key(axis, sweep, scored, key)
    _over_steps(axes[-1], sweep, scored)
    path = sweep.root / "plot.png"
    figure.savefig(path, dpi=120)
    return path


def _over_key(axis: Any, sweep: Sweep, rows: Sequence[Row], key: str) -> None:
    values = [row.setting.get(key) for row in rows]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers:
        places, tried = values, sorted(set(values))
        if tried[0] > 0 and tried[-1] / tried[0] >= 10:
            axis.set_xscale("log")
        if len(tried) <= MOST_NAMED:  # the values themselves, not round numbers between them
            axis.set_xticks(tried, [f"{value:g}" for value in tried])
            axis.minorticks_off()
    else:
        names = sorted({str(value) for value in values})
        places = [names.index(str(value)) for value in values]
        axis.set_xticks(range(len(names)), names, rotation=20 if max(map(len, names)) > 8 else 0)
    for place, row in zip(places, rows, strict=True):
        axis.plot([place] * len(row.values), list(row.values.values()), "o", color="tab:gray", markersize=3, alpha=0.6)
        mean, deviation = mean_and_deviation(row.values.values())
        axis.errorbar(place, mean, yerr=deviation, fmt="o", color="tab:blue", capsize=3, markersize=5)
    axis.plot(places[0], rows[0].mean, "*", color="tab:red", markersize=12, label="best")
    if baseline := baseline_of(sweep, rows, sweep.splits[0]):
        axis.axhline(baseline[1], color="black", linestyle=":", linewidth=1, label=baseline[0])
    axis.set(xlabel=key, ylabel=f"{sweep.splits[0]} {sweep.metric}")
    axis.legend(fontsize="small")


def _over_steps(axis: Any, sweep: Sweep, rows: Sequence[Row]) -> None:
    """The validation curves of each setting's seeds, in one colour."""
    from matplotlib import colormaps

    for at, row in enumerate(rows):
        colour = colormaps["viridis"](at / max(1, len(rows) - 1))
        for number, point in enumerate(row.points):
            if steps := curve(point, "validation", sweep.metric):
                label = name_of(row.setting) if not number and at < MOST_NAMED else None
                axis.plot(*zip(*steps, strict=True), color=colour, linewidth=1, label=label)
    axis.set(xlabel="optimizer step", ylabel=f"validation {sweep.metric}")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves
