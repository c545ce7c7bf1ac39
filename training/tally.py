"""What the totals since the last line of the journal say, in numbers that people read."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasks.task import Task


def line_values(task: Task, totals: Mapping[str, Any], *, layers: Iterable[str]) -> dict[str, float]:
    """The task's scores and mean norms over the steps that counted; of a line without any, how many were skipped.

    Where nothing was told apart in those steps, as of rows too short to hide a token of, there are no scores.

    `totals`: the state's tally on the host. `layers`: in the order of its norms, where it has any.
    """
    steps = float(totals["steps"])
    values = task.scores(totals) if steps and float(totals["weight"]) else {}
    values |= {"gradient_norm": float(totals["gradient_norm"]) / steps} if steps else {}
    if kept := float(totals["norm_steps"]):
        for number, layer in enumerate(layers):
            values[f"gradient_norm/{layer}"] = _mean(totals["layer_gradient_norms"], number, kept)
            values[f"update_norm/{layer}"] = _mean(totals["layer_update_norms"], number, kept)
    return values | {"skipped": int(totals["skipped"])}


def _mean(norms: Any, number: int, steps: float) -> float:
    return float(np.asarray(norms)[number]) / steps
