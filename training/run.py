"""The parts that one command works with."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from skeleton import Skeleton
from tasks.task import Batch, Task
from training.weights import Given


@dataclass(frozen=True)
class Run:
    """Built by train.py before anything is compiled."""

    task: Task
    skeleton: Skeleton
    mesh: Mesh
    config: Any
    directory: Path
    given: Given | None  # of another run: where training starts, or what is evaluated
    started: float  # time.time() when the process began
    step_flops: float  # operations of the model's products in one optimizer step

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The task's, which reads all training data: made once, not at every checkpoint."""
        return dict(self.task.identity)


def device_part(task: Task, batch: Batch) -> Batch:
    """What of a batch the device needs."""
    return {name: batch[name] for name in task.columns if name in batch}
