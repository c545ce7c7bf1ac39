"""The compiled functions: one optimizer step, the totals of an evaluation batch, the answers to a batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from decoding.compiled import compiler_options
from skeleton import Skeleton
from tasks.task import Task
from training.guard import Watch, judge
from training.layers import layer_names, layer_norms
from training.mesh import replicated
from training.optimizer import Optimizer
from training.sharding import shardings
from training.state import TrainState

Device = dict[str, jax.Array]
Step = Callable[[TrainState, Device], TrainState]


def make_train_step(
    task: Task,
    skeleton: Skeleton,
    optimizer: Optimizer,
    *,
    mesh: Mesh,
    log_every: int,
    watch: Watch = Watch(),  # noqa: B008  (frozen)
) -> Step:
    """`step(state, batch) -> state`, compiled, its state donated.

    `batch` holds `[A, B, ...]` arrays: A micro-batches whose summed losses and gradients are divided once, by their
    summed weight, so that A changes the memory and not the result. A step that `watch` finds bad changes nothing but
    the step number and the counts of such steps; the next batch is the next one.
    """
    gradients_of = _sharded_gradients(jax.grad(loss_of(task, skeleton), has_aux=True), mesh)
    layers = layer_names(skeleton.shapes)

    def step(state: TrainState, batch: Device) -> TrainState:
        moving = optimizer.moving(state.params)
        fixed = {path: value for path, value in state.params.items() if path not in moving}
        summed, totals = _summed(partial(gradients_of, moving, state.params), step_key(state.key, state.step), batch)
        weight = jnp.maximum(totals["weight"], 1e-9)  # without a single label only momentum and decay move anything
        gradient_norm = optax.tree.norm(summed) / weight
        loss, labelled = totals["loss"] / weight, totals["weight"] > 0
        counts, guard = judge(state.guard, loss, gradient_norm, watch, labelled=labelled)

        def move(old):
            moving, opt_state, ema = old
            gradients = jax.tree.map(lambda g: g * (1 / weight), summed)
            updates, opt_state = optimizer.update(
                gradients, opt_state, fixed | moving, norm=gradient_norm, step=state.step
            )
            moved = optax.apply_updates(moving, updates)
            ema = {path: _toward(ema[path], moved[path], optimizer.settings.ema) for path in ema}
            return (moved, opt_state, ema), _norms(gradients, updates, layers) if watch.norms else {}

        old = moving, state.opt_state, state.ema
        nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(move, old)[1])
        # Not `where`, for which XLA copies the optimizer's state: 8 of 24 bytes that a step holds for each parameter.
        (moved, opt_state, ema), norms = jax.lax.cond(counts, move, lambda old: (old, nothing), old)

        totals |= {"gradient_norm": gradient_norm, "steps": jnp.ones((), jnp.float32)} | norms
        totals = {name: jnp.where(counts, value, 0) for name, value in totals.items()}
        totals["skipped"] = 1 - counts.astype(jnp.float32)
        fresh = (state.step % log_every) == 0  # the line before was written after this many steps
        tally = {name: jnp.where(fresh, 0, kept) + totals.get(name, 0) for name, kept in state.tally.items()}
        after = TrainState(state.step + 1, state.params | moved, opt_state, state.key, tally, ema, guard)
        return jax.lax.with_sharding_constraint(after, shardings(after, mesh))

    return jax.jit(step, donate_argnums=0)


def loss_of(task: Task, skeleton: Skeleton) -> Callable[..., tuple[jax.Array, Any]]:
    """`loss(moving, params, micro_batch, key) -> (loss sum, totals)`, where `moving` takes the place of its names."""

    def loss(moving, params, micro_batch, key):
        totals = task.loss(skeleton.join(params | moving), micro_batch, rngs=nnx.Rngs(dropout=key))
        return totals["loss"], totals

    return loss


def _sharded_gradients(gradients_of: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`gradients_of` whose gradients lie as their parameters do: each device sums up no more than its own."""

    def sharded(*inputs):
        gradients, totals = gradients_of(*inputs)
        return jax.lax.with_sharding_constraint(gradients, shardings(gradients, mesh)), totals

    return sharded


def step_key(key: jax.Array, step: jax.Array | int) -> jax.Array:
    """The key of a step; that of its micro-batch n is n folded into it."""
    return jax.random.fold_in(key, step)


def _summed(gradients_of: Callable[..., Any], key: jax.Array, batch: Device) -> Any:
    """Gradients and totals added up over the micro-batches."""

    def add(carry, numbered):
        number, micro_batch = numbered
        return jax.tree.map(jnp.add, carry, gradients_of(micro_batch, jax.random.fold_in(key, number))), None

    numbers = jnp.arange(next(iter(batch.values())).shape[0])
    one = jax.tree.map(lambda a: a[0], (numbers, batch))
    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(gradients_of, one[1], key))
    if numbers.size == 1:
        return add(zeros, one)[0]
    return jax.lax.scan(add, zeros, (numbers, batch))[0]


def _toward(average: jax.Array, value: jax.Array, decay: float) -> jax.Array:
    return decay * average + (1 - decay) * value


def _norms(gradients: Any, updates: Any, layers: list[str]) -> dict[str, jax.Array]:
    values = {
        "layer_gradient_norms": layer_norms(gradients, layers),
        "layer_update_norms": layer_norms(updates, layers),
    }
    return values | {"norm_steps": jnp.ones((), jnp.float32)}


def empty_tally(task: Task, skeleton: Skeleton, batch: Device) -> dict[str, jax.Array]:
    """Zeros for each total that the step keeps, so that the shape of the state never changes.

    There is a place for the norms by layer whether they are kept or not: a resumed run may turn them on or off.
    """
    totals = jax.eval_shape(
        lambda params, one: task.loss(skeleton.join(params), one, rngs=None), skeleton.shapes, _flat_shapes(batch)
    )
    counts = {name: jnp.zeros(()) for name in ("gradient_norm", "steps", "skipped", "norm_steps")}
    layers = jnp.zeros(len(layer_names(skeleton.shapes)))
    norms = {"layer_gradient_norms": layers, "layer_update_norms": jnp.copy(layers)}
    return {name: jnp.zeros(leaf.shape, leaf.dtype) for name, leaf in totals.items()} | counts | norms


def _flat_shapes(batch: Device) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct(array.shape[1:], array.dtype) for name, array in batch.items()}


def make_evaluate(task: Task, skeleton: Skeleton, *, mesh: Mesh) -> Callable[[Any, Device], Any]:
    """`evaluate(params, batch) -> totals`, without dropout."""

    @partial(jax.jit, out_shardings=replicated(mesh))
    def evaluate(params, batch):
        return task.loss(skeleton.join(params), _flat(batch), rngs=None)

    return evaluate


def make_answer(task: Task, skeleton: Skeleton, *, mesh: Mesh) -> Callable[[Any], Callable[[Device], Any]]:
    """`answer(params)(batch) -> answers`, without dropout; the first call lays out weights of a model that writes."""

    @partial(jax.jit, static_argnums=0, out_shardings=replicated(mesh), compiler_options=compiler_options())
    def answer(graph, state, batch):
        return task.answers(nnx.merge(graph, state), _flat(batch))

    def of(params):
        model = skeleton.join(params)
        return partial(answer, *nnx.split(model.for_steps() if hasattr(model, "for_steps") else model))

    return of


def _flat(batch: Device) -> Device:
    return {name: array[0] for name, array in batch.items()}
