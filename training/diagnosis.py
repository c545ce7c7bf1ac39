"""Where a batch that no step could use went wrong: run again outside the hot path, module by module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from layer_stacks import arranged
from skeleton import Skeleton
from tasks.task import Task
from training.guard import Watch
from training.state import TrainState
from training.step import loss_of, step_key

Device = Mapping[str, jax.Array]


@dataclass(frozen=True)
class Fault:
    """The first value that is not finite: of what, in which rows of the global batch (none where it cannot tell)."""

    what: str
    rows: tuple[int, ...] = ()

    def told(self) -> str:
        rows = f" in row{'s' * (len(self.rows) > 1)} {_listed(self.rows)} of the batch" if self.rows else ""
        return f"the first value that is not finite is {self.what}{rows}"


def stopping_sentence(
    task: Task, skeleton: Skeleton, state: TrainState, batch: Device, *, watch: Watch, seed: int
) -> str:
    """Why a run ends after `state.guard["in_a_row"]` skipped steps; `batch` is that of the first of them."""
    in_a_row, done = int(state.guard["in_a_row"]), int(state.step)
    first = done - in_a_row + 1
    fault = find_fault(task, skeleton, state, batch, step=first - 1)
    mean = float(state.guard["mean_loss"])
    if fault is not None:
        why = fault.told()
    elif watch.spike_factor and int(state.guard["accepted"]):
        why = f"its loss is above train.spike_factor={watch.spike_factor} times the running mean {mean:.4g}"
    else:
        why = "all is finite when it is run again, so that a fault of the machine is likely"
    return (
        f"stopped after step {done}, since steps {first} to {first + watch.max_skipped - 1} were skipped in a row "
        f"(train.max_skipped); the batch of step {first} (seed {seed}, {_rows_in(batch)} rows): {why}; the weights "
        f"are still those of step {first - 1}, and the last checkpoint is untouched"
    )


def find_fault(task: Task, skeleton: Skeleton, state: TrainState, batch: Device, *, step: int) -> Fault | None:
    """What first is not finite in optimizer step `step` (0 = first) of these weights; None if nothing is."""
    skeleton = skeleton.written_out()
    params = arranged(state.params, skeleton.shapes)
    if name := _first_bad(params, list(params)):
        return Fault(f"the parameter {name} itself")
    key = step_key(state.key, step)
    for number in range(len(next(iter(batch.values())))):
        micro_batch = {name: array[number] for name, array in batch.items()}
        rows = len(next(iter(micro_batch.values())))
        fault = _fault_of(task, skeleton, params, micro_batch, jax.random.fold_in(key, number))
        if fault is not None:
            return Fault(fault.what, tuple(number * rows + row for row in fault.rows or range(rows)))
    return None


def _fault_of(task: Task, skeleton: Skeleton, params: Any, micro_batch: Device, key: jax.Array) -> Fault | None:
    rows = len(next(iter(micro_batch.values())))
    loss, outputs = _outputs(task, skeleton, rows)(params, micro_batch, key)
    for name, finite in outputs:
        if not finite.all():
            return Fault(f"in the output of {name}", tuple(np.flatnonzero(~finite).tolist()) if finite.ndim else ())
    if not np.isfinite(loss):
        return Fault("the loss")
    gradients, _ = jax.jit(jax.grad(loss_of(task, skeleton), has_aux=True))(params, params, micro_batch, key)
    backwards = sorted(params, key=_last_output([name for name, _ in outputs]), reverse=True)
    if name := _first_bad(gradients, backwards):
        return Fault(f"the gradient of {name}, the backward pass begun at the loss")
    norms = {name: float(jnp.linalg.norm(gradients[name].ravel())) for name in params}
    if not np.isfinite(np.linalg.norm(np.float32(list(norms.values())))):
        return Fault(f"the norm of the gradient, largest in {max(norms, key=norms.get)}")
    return None


def _outputs(task: Task, skeleton: Skeleton, rows: int) -> Callable[..., tuple[float, list[tuple[str, np.ndarray]]]]:
    """A function that gives the loss, and of each module's output, innermost and first called first, what is finite."""

    def run(params, micro_batch, key):
        seen: dict[int, tuple[str, np.ndarray]] = {}
        called: list[str] = []

        def probe(name: str, output: Any) -> None:
            number = len(called)
            called.append(name)
            jax.debug.callback(lambda ok: seen.update({number: (name, np.asarray(ok))}), _finite_rows(output, rows))

        def loss(params, micro_batch, key):
            model = skeleton.join(params)
            _watch_modules(model, probe)
            return task.loss(model, micro_batch, rngs=nnx.Rngs(dropout=key))["loss"]

        value = float(jax.jit(loss)(params, micro_batch, key))
        jax.effects_barrier()
        return value, [seen[number] for number in sorted(seen)]

    return run


def _watch_modules(model: nnx.Module, probe: Callable[[str, Any], None]) -> None:
    """Makes every module of `model` show its outputs to `probe`; the modules stay what they are to everyone else."""
    for path, module in nnx.iter_graph(model):
        if isinstance(module, nnx.Module) and callable(module):
            object.__setattr__(module, "__class__", _watched(type(module), ".".join(map(str, path)), probe))


def _watched(kind: type, name: str, probe: Callable[[str, Any], None]) -> type:
    def call(self, *args, **kwargs):
        output = kind.__call__(self, *args, **kwargs)
        probe(name or kind.__name__, output)
        return output

    return type(kind.__name__, (kind,), {"__call__": call})


def _finite_rows(output: Any, rows: int) -> jax.Array:
    """One truth for each row if the arrays of `output` have the rows on their first axis, else a single one."""
    arrays = [leaf for leaf in jax.tree.leaves(output) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    if all(array.ndim and array.shape[0] == rows for array in arrays):
        each = [jnp.isfinite(array).reshape(rows, -1).all(1) for array in arrays]
        return jnp.stack([jnp.ones(rows, bool), *each]).all(0)
    return jnp.stack([jnp.isfinite(array).all() for array in arrays]).all()


def _last_output(names: list[str]) -> Callable[[str], int]:
    """How late in the forward pass a parameter's own module answers."""
    order = {name: number for number, name in enumerate(names)}
    return lambda path: order.get(path.rpartition(".")[0], -1)


def _first_bad(values: Mapping[str, jax.Array], names: list[str]) -> str | None:
    return next((name for name in names if not bool(jnp.isfinite(values[name]).all())), None)


def _rows_in(batch: Device) -> int:
    first = next(iter(batch.values()))
    return first.shape[0] * first.shape[1]


def _listed(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} more" if len(numbers) > 8 else shown
