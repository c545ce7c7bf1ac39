"""From the JSON files that the scripts of this study write to the tables of the page."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from experiments.speed.page import origin
from experiments.table import spread
from tabulated import markdown


def kill_table(report: dict[str, Any]) -> str:
    """A row for each sort of moment."""
    kills = report["kills"]
    rows = []
    for moment, told in (
        ("save", "while a checkpoint is written"),
        ("any", "at any moment"),
        ("start", "as the process starts"),
    ):
        chosen = [kill for kill in kills if kill["moment"] == moment]
        inside = sum(bool(kill["unfinished"]) for kill in chosen)
        damaged = sum(bool(kill["said"]) for kill in chosen)
        rows.append((told, str(len(chosen)), str(inside), str(damaged)))
    header = ("aimed at", "kills", "of them inside a save", "of them that had found a damaged checkpoint")
    end = ", ".join(report["differs"]) or "nothing"
    return (
        f"{origin(report)}\n{markdown(header, rows)}\n"
        f"{len(kills)} kills in {report['steps']} steps, seed {report['seed']}; {report['killed_seconds']:.0f} s, "
        f"undisturbed {report['whole_seconds']:.0f} s. The end differs in: {end}.\n"
    )


def corrupt_table(report: dict[str, Any]) -> str:
    """A row for each way of damage, a column for each outcome."""
    outcomes = ("the same, intact", "the next, told", "WRONG VALUES", "STOPPED")
    ways = sorted({case["way"] for case in report["cases"]})
    rows = []
    for way in (*ways, "all"):
        counts = Counter(case["outcome"] for case in report["cases"] if way in (case["way"], "all"))
        rows.append((way, str(counts.total()), *(str(counts[outcome]) for outcome in outcomes)))
    alike = sum(not case["differs"] for case in report["train_cases"])
    header = ("damage", "restores", "same values", "the next checkpoint, told", "wrong values", "no values")
    return (
        f"{origin(report)}\n{markdown(header, rows)}\n"
        f"Through train.py: {alike} of {len(report['train_cases'])} ended as if undisturbed. Seed {report['seed']}.\n"
    )


def full_disk_table(report: dict[str, Any]) -> str:
    """A row for each time."""
    rows = [
        (
            f"{time['rest'] / report['checkpoint_bytes']:.0%}",
            str(time["status"]),
            f"{time['sentences']} / {time['tracebacks']}",
            ", ".join(map(str, time["kept"])),
            str(time["restored"]),
        )
        for time in report["times"]
    ]
    header = ("free, of a checkpoint", "exit status", "sentences / tracebacks", "checkpoints there", "restored")
    end = ", ".join(report["differs"]) or "nothing"
    return f"{origin(report)}\n{markdown(header, rows)}\nThe end differs in: {end}.\n"


def cost_table(report: dict[str, Any]) -> str:
    """Median, least and most of the rounds."""
    rows = []
    for name in report["rounds"][0]:
        times = [seconds[name] for seconds in report["rounds"]]
        rows.append((name, spread(times, digits=2)))
    return (
        f"{origin(report)}\n{markdown(('', 'seconds: median (least to most)'), rows)}\n"
        f"{report['parameters'] / 1e6:.0f} M parameters, {report['bytes'] / 1e9:.1f} GB with Adam's state, "
        f"{len(report['rounds'])} rounds.\n"
    )


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "kill": kill_table,
    "corrupt": corrupt_table,
    "full_disk": full_disk_table,
    "cost": cost_table,
}
