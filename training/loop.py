"""The one loop. Its order is law: step, journal, evaluate, save, and only then draw the next batch."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from optax import Schedule

import mesh_axes
from errors import InputError
from tasks.task import Batch, Task
from training.checkpoint import Checkpoints, check_disk_space
from training.clock import Clock
from training.cluster import check_data_alike, leader_first, leads
from training.diagnosis import stopping_sentence
from training.evaluation import Evaluation
from training.guard import make_watch
from training.host_memory import let_go_if_short
from training.journal import Journal
from training.layers import layer_names
from training.mesh import check_batch_size, check_model_fits, put_batch, settled
from training.notice import STATUS, Notice, awaited
from training.optimizer import Optimizer, check_optimizer, make_optimizer, make_schedule
from training.plan import make_plan
from training.profiler import Profiler, profiled_steps
from training.restore import Restored, restore_newest
from training.run import Run, device_part
from training.sharding import shardings
from training.state import TrainState, initial_state, outputs_of_other_meaning, transfer
from training.step import Step, empty_tally, make_train_step
from training.tally import line_values
from training.weights import other_classes


def train(run: Run) -> tuple[TrainState, dict[str, float]]:
    """Trains to `config.train.steps`, from the newest checkpoint if there is one; returns the last scores too."""
    config = run.config
    schedule = make_schedule(config.optimizer, steps=config.train.steps)
    optimizer = make_optimizer(config.optimizer, schedule)
    make_plan(config.optimizer, run.skeleton.shapes)  # refuses rules that fit no parameter, before anything is compiled
    step_fn = make_train_step(
        run.task, run.skeleton, optimizer, mesh=run.mesh, log_every=config.log.every, watch=make_watch(config)
    )
    start_state = starter(run, optimizer)
    check_data_alike(run.task)
    with leader_first("validation data"):
        run.task.evaluation_batches("validation")  # what is wrong there is told now, not after `evaluation.every` steps
    state_like = jax.eval_shape(start_state, jax.random.key(config.seed), {})
    check_disk_space(run.directory, state_like, checkpoints=config.checkpoint.keep + 2)
    begun = restore(run, state_like) or _start(run, start_state)
    checkpoints = Checkpoints(run.directory / "checkpoints", keep=config.checkpoint.keep, best=config.checkpoint.best)
    journal = Journal(
        run.directory,
        config.log,
        steps=config.train.steps,
        start=begun.step,
        config=config.to_dict(),
        scored=bool(begun.scores),
        active=leads(),
    )
    with checkpoints, contextlib.closing(journal), awaited() as notice:
        return _steps(run, begun, step_fn, schedule, checkpoints, journal, notice)


def check_settings(config: Any, mesh: Mesh) -> None:
    """Raises InputError for settings that no run could use; reads no data and compiles nothing."""
    counts = {
        "train.steps": config.train.steps,
        "train.accumulation": config.train.accumulation,
        "log.every": config.log.every,
        "evaluation.every": config.evaluation.every,
        "checkpoint.every": config.checkpoint.every,
        "checkpoint.keep": config.checkpoint.keep,
    }
    for key, value in counts.items():
        if value < 1:
            raise InputError(f"{key}={value} must be at least 1")
    if config.mode in ("train", "plan"):  # a finished run is asked on other devices than it was trained on
        check_batch_size(
            mesh, name="train.batch_size", size=config.train.batch_size, accumulation=config.train.accumulation
        )
    check_batch_size(mesh, name="evaluation.batch_size", size=config.evaluation.batch_size)
    model, data = config.model, config.data
    check_model_fits(
        mesh, heads=model.heads, mlp_width=model.mlp_width, length=data.length, buckets=tuple(data.buckets)
    )
    check_optimizer(config.optimizer)
    make_watch(config)
    profiled_steps(config)
    make_schedule(config.optimizer, steps=config.train.steps)


def check_best(config: Any, task: Task) -> None:
    """Raises InputError when the score that decides the best checkpoint is none of the task's."""
    best, graded = config.checkpoint.best, task.graded_names
    if best in graded and best not in task.score_names and not config.evaluation.graded:
        raise InputError(f"checkpoint.best={best!r} is known only where answers are graded: set evaluation.graded=True")
    if best not in (*task.score_names, *graded):
        told = ", ".join((*task.score_names, *graded))
        raise InputError(f"checkpoint.best={best!r} is not a score of {config.task}: {told}")


def starter(run: Run, optimizer: Optimizer) -> Callable[..., TrainState]:
    """`start_state(key, given parameters)`: the state at step 0; pure."""
    tally = empty_tally(run.task, run.skeleton, batch_shapes(run))

    def start_state(key, given):
        return initial_state(run.skeleton, optimizer, key=key, tally=tally, given=given)

    return start_state


def batch_shapes(run: Run) -> dict[str, jax.ShapeDtypeStruct]:
    """Those of the largest global batch on the device, `[accumulation, examples, ...]`."""
    train, sharding = run.config.train, NamedSharding(run.mesh, P(None, mesh_axes.BATCH))
    with leader_first("training data"):
        longest = device_part(run.task, run.task.longest_batch())
    split = train.accumulation, train.batch_size // train.accumulation
    return {
        name: jax.ShapeDtypeStruct((*split, *array.shape[1:]), array.dtype, sharding=sharding)
        for name, array in longest.items()
    }


def restore(run: Run, like: TrainState) -> Restored | None:
    """The newest checkpoint that is intact; None where there is none yet."""
    return restore_newest(
        run.directory / "checkpoints",
        like,
        run.mesh,
        identity=run.identity,
        verify=run.config.checkpoint.verify,
    )


def _start(run: Run, start_state: Callable[..., TrainState]) -> Restored:
    """Fresh weights, those of `init_from` put over them."""
    given: dict[str, Any] = dict(run.task.initial_params())
    if run.source is not None:
        found, here = run.loaded(), run.skeleton.shapes  # not kept: only the state stays on the devices
        fresh = outputs_of_other_meaning(found.params, here, other_classes=bool(other_classes(found, run.task)))
        report = transfer(found.params, here, name=f"init_from={found.directory}", fresh=fresh)
        given |= {name: found.params[name] for name in report.taken}
        print(report.told(found.told), flush=True)
    key = jax.random.key(run.config.seed)
    lies = shardings(jax.eval_shape(start_state, key, given), run.mesh)
    return Restored(jax.jit(start_state, out_shardings=lies)(key, given), step=0, scores={})


def _steps(
    run: Run, begun: Restored, step_fn: Step, rate: Schedule, checkpoints: Checkpoints, journal: Journal, notice: Notice
) -> tuple[TrainState, dict[str, float]]:
    """From where it `begun` to the last step, or to the step at which `notice` says to leave; and the last scores."""
    config, task = run.config, run.task
    state, start, last = begun.state, begun.step, config.train.steps
    evaluate = Evaluation(run, graded=config.evaluation.graded)
    scores = _scores_at_start(run, begun, evaluate, checkpoints, journal, notice)
    clock = Clock(run.started, run.mesh, step_flops=run.step_flops)
    profiler = Profiler(run.directory, profiled_steps(config))
    pending: tuple[int, Any] | None = None  # the tally of a step sent off; read once the next one is under way

    def write_pending() -> None:
        nonlocal pending
        if pending is not None:
            (step, (tally, in_a_row)), pending = pending, None
            _write_line(run, journal, step, tally, float(rate(step - 1)), clock)
            _end_if_lost(run, state, in_a_row)

    batches: Iterator[Batch] = task.train_batches(start) if start < last else iter(())
    for step in range(start + 1, last + 1):
        with clock.waiting():
            host_batch = next(batches)
            batch = put_batch(device_part(task, host_batch), run.mesh, accumulation=config.train.accumulation)
        profiler.before(step)
        state = settled(step_fn(state, batch), run.mesh)
        profiler.after(step, state)
        if step == start + 1:
            jax.block_until_ready(state.step)
            let_go_if_short()
            journal.speed(step, {"seconds_to_first_step": time.time() - run.started})
            clock.restart()
        clock.count(host_batch)
        write_pending()
        if _due(config.log.every, step, last):
            # a copy, since the next step is given the original
            pending = step, jax.tree.map(jnp.copy, (state.tally, state.guard["in_a_row"]))
        leaving, fresh_scores = notice.reached(step), {}
        if _due(config.evaluation.every, step, last) and not leaving:
            write_pending()
            with clock.paused():
                fresh_scores = evaluate(state.weights, "validation", notice=notice)
                if fresh_scores:
                    scores = fresh_scores
                    journal.metrics(step, "validation", scores)
                    journal.plot(baseline=None)
            leaving = not fresh_scores
        if _due(config.checkpoint.every, step, last) or leaving:
            write_pending()
            _end_if_lost(run, state, state.guard["in_a_row"])
            journal.flush()
            with clock.paused():
                checkpoints.save(state, step=step, identity=run.identity, scores=fresh_scores)
        if leaving:
            profiler.stop()
            checkpoints.wait()
            _leave(step)
    profiler.stop()
    checkpoints.wait()
    return state, scores


def _scores_at_start(
    run: Run, begun: Restored, evaluate: Evaluation, checkpoints: Checkpoints, journal: Journal, notice: Notice
) -> dict[str, float]:
    """Those of the checkpoint; those that it should have are made up for, where the process had to end before."""
    due = begun.step and _due(run.config.evaluation.every, begun.step, run.config.train.steps)
    if begun.scores or not due:
        return dict(begun.scores)
    scores = evaluate(begun.state.weights, "validation", notice=notice)
    if not scores:
        _leave(begun.step)
    journal.metrics(begun.step, "validation", scores)
    checkpoints.add_scores(begun.step, scores)
    return scores


def _leave(step: int) -> NoReturn:
    print(f"asked to end (SIGTERM); step {step} is saved: start the same command again to go on", flush=True)
    raise SystemExit(STATUS)


def _due(every: int, step: int, last: int) -> bool:
    return step % every == 0 or step == last


def _write_line(run: Run, journal: Journal, step: int, tally, learning_rate: float, clock: Clock) -> None:
    values = line_values(run.task, jax.device_get(tally), layers=layer_names(run.skeleton.shapes))
    values["learning_rate"] = learning_rate
    journal.metrics(step, "train", values)
    speed = clock.read()
    journal.speed(step, speed)
    loss = f"{values['loss']:.3f}" if "loss" in values else "skipped" if values["skipped"] else "none"
    journal.progress(step, loss=loss, tokens_per_s=f"{speed['tokens_per_second']:,.0f}")


def _end_if_lost(run: Run, state: TrainState, in_a_row: Any) -> None:
    """Raises FloatingPointError after `train.max_skipped` steps skipped in a row; `state` may be a step further on."""
    watch = make_watch(run.config)
    if int(in_a_row) < watch.max_skipped:
        return
    task, first = run.task, int(state.step) - int(state.guard["in_a_row"])
    host_batch = device_part(task, task.train_batch(first))
    batch = put_batch(host_batch, run.mesh, accumulation=run.config.train.accumulation)
    raise FloatingPointError(stopping_sentence(task, run.skeleton, state, batch, watch=watch, seed=run.config.seed))
