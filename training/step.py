"""The compiled functions: one optimizer step, the totals of an evaluation batch, the answers to a batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from tasks.task import Task
from training.mesh import replicated
from training.sharding import shardings
from training.state import Skeleton, TrainState

Device = dict[str, jax.Array]


def make_train_step(
    task: Task,
    skeleton: Skeleton,
    optimizer: optax.GradientTransformation,
    *,
    mesh: Mesh,
    log_every: int,
) -> Callable[[TrainState, Device], TrainState]:
    """`step(state, batch) -> state`, compiled, its state donated.

    `batch` holds `[A, B, ...]` arrays: A micro-batches whose summed losses and gradients are divided once, by their
    summed weight, so that A changes the memory and not the result.
    """

    def totals_of(params, micro_batch, key):
        totals = task.loss(skeleton.join(params), micro_batch, rngs=nnx.Rngs(dropout=key))
        return totals["loss"], totals

    gradients_of = jax.grad(totals_of, has_aux=True)
    lies = shardings(skeleton.shapes, mesh)

    def step(state: TrainState, batch: Device) -> TrainState:
        key = jax.random.fold_in(state.key, state.step)

        def add(carry, numbered):
            number, micro_batch = numbered
            gradients, totals = gradients_of(state.params, micro_batch, jax.random.fold_in(key, number))
            gradients = jax.lax.with_sharding_constraint(gradients, lies)
            return jax.tree.map(jnp.add, carry, (gradients, totals)), None

        numbers = jnp.arange(next(iter(batch.values())).shape[0])
        one = jax.tree.map(lambda a: a[0], (numbers, batch))
        zeros = jax.tree.map(
            lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(gradients_of, state.params, one[1], key)
        )
        if numbers.size == 1:
            (gradients, totals), _ = add(zeros, one)
        else:
            (gradients, totals), _ = jax.lax.scan(add, zeros, (numbers, batch))
        weight = jnp.maximum(totals["weight"], 1e-9)  # a batch without a single label moves nothing
        gradients = jax.tree.map(lambda g: g / weight, gradients)
        totals["gradient_norm"] = optax.tree.norm(gradients)
        totals["steps"] = jnp.ones((), jnp.float32)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        fresh = (state.step % log_every) == 0  # the line before was written after this many steps
        tally = {name: jnp.where(fresh, 0, state.tally[name]) + value for name, value in totals.items()}
        params = optax.apply_updates(state.params, updates)
        after = TrainState(state.step + 1, params, opt_state, state.key, tally)
        return jax.lax.with_sharding_constraint(after, shardings(after, mesh))

    return jax.jit(step, donate_argnums=0)


def empty_tally(task: Task, skeleton: Skeleton, batch: Device) -> dict[str, jax.Array]:
    """Zeros for each total that the step keeps, so that the shape of the state never changes."""
    totals = jax.eval_shape(
        lambda params, one: task.loss(skeleton.join(params), one, rngs=None), skeleton.shapes, _flat_shapes(batch)
    )
    counts = {"gradient_norm": jnp.zeros(()), "steps": jnp.zeros(())}
    return {name: jnp.zeros(leaf.shape, leaf.dtype) for name, leaf in totals.items()} | counts


def _flat_shapes(batch: Device) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct(array.shape[1:], array.dtype) for name, array in batch.items()}


def make_evaluate(task: Task, skeleton: Skeleton, *, mesh: Mesh) -> Callable[[Any, Device], Any]:
    """`evaluate(params, batch) -> totals`, without dropout."""

    @partial(jax.jit, out_shardings=replicated(mesh))
    def evaluate(params, batch):
        return task.loss(skeleton.join(params), _flat(batch), rngs=None)

    return evaluate


def make_answer(task: Task, skeleton: Skeleton, *, mesh: Mesh) -> Callable[[Any, Device], Any]:
    """`answer(params, batch) -> answers`, without dropout."""

    @partial(jax.jit, out_shardings=replicated(mesh))
    def answer(params, batch):
        return task.answers(skeleton.join(params), _flat(batch))

    return answer


def _flat(batch: Device) -> Device:
    return {name: array[0] for name, array in batch.items()}
