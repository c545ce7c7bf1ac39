"""The parts that one command works with."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from skeleton import Skeleton
from tasks.task import Batch, Task
from training.weights import Given, PublishedSource, Source


@dataclass(frozen=True)
class Run:
    """Built by train.py before anything is compiled."""

    task: Task
    skeleton: Skeleton
    mesh: Mesh
    config: Any
    directory: Path
    source: Source | PublishedSource | None  # of weights: where training starts, or what is evaluated
    started: float  # time.time() when the process began
    step_flops: float  # operations of the model's products in one optimizer step

    def loaded(self) -> Given:
        """What `source` holds, read anew: who asks for it lets go of it."""
        assert self.source is not None
        return self.source.load(self.mesh, like=self.skeleton.shapes)

    @cached_property
    def given(self) -> Given:
        """As `loaded`, kept: for what is evaluated."""
        return self.loaded()

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The task's, which reads all training data: made once, not at every checkpoint."""
        return dict(self.task.identity)


def device_part(task: Task, batch: Batch) -> Batch:
    """What of a batch the device needs."""
    return {name: batch[name] for name in task.columns if name in batch}
