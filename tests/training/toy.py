"""A regression task on a net of two layers, small enough that a compiled step takes a second."""

import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from skeleton import Skeleton
from training.guard import Watch
from training.mesh import ONE_DEVICE, make_mesh, put_batch
from training.optimizer import make_optimizer, make_schedule
from training.state import initial_state
from training.step import empty_tally, make_train_step

ROWS, PARTS = 4, 2
STEPS = 100


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs, root: bool):
        self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(2)])
        self.head = nnx.Linear(3, 1, rngs=rngs)
        self.root = root

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(jnp.sqrt(jnp.abs(x)) if self.root else jnp.tanh(x))  # a root has no gradient at 0


class Regression:
    def loss(self, model, batch, *, rngs):
        weights = batch.get("weights", jnp.ones_like(batch["y"]))
        error = jnp.square(model(batch["x"])[:, 0] - batch["y"])
        return {"loss": (error * weights).sum(), "weight": weights.sum()}

    def scores(self, totals):
        return {"loss": float(totals["loss"] / totals["weight"])}


def settings(**changes):
    values = {"name": "adamw", "learning_rate": 0.05, "schedule": "constant", "warmup_steps": 0, "clip_norm": 1.0}
    values |= {"beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6, "weight_decay": 0.01}
    return SimpleNamespace(**values | {"layer_decay": 1.0, "rules": (), "ema": 0.0} | changes)


def batch_of(step: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(step)
    x = draw.normal(size=(ROWS, 3)).astype(np.float32)
    return {"x": x, "y": x.sum(-1) + 3}


def spoiled(step: int, *, row: int = 2, value: float = np.nan) -> dict[str, np.ndarray]:
    batch = batch_of(step)
    batch["x"][row, 1] = value
    return batch


def unlabelled(step: int) -> dict[str, np.ndarray]:
    return batch_of(step) | {"weights": np.zeros(ROWS, np.float32)}


TASK = Regression()


@functools.cache
def built(optimizer: tuple[tuple[str, object], ...], watch: Watch, root: bool):
    """(skeleton, start, step), compiled once for all tests that want the same."""
    chosen = settings(**dict(optimizer))
    transform = make_optimizer(chosen, make_schedule(chosen, steps=STEPS))
    skeleton, mesh = Skeleton(lambda rngs: Net(rngs=rngs, root=root)), make_mesh(ONE_DEVICE)
    tally = empty_tally(TASK, skeleton, put_batch(batch_of(0), mesh, accumulation=PARTS))
    start = jax.jit(lambda: initial_state(skeleton, transform, key=jax.random.key(0), tally=tally, given={}))
    return skeleton, start, make_train_step(TASK, skeleton, transform, mesh=mesh, log_every=1000, watch=watch)


class Trainer:
    """`state`, and `go(batch, ...)` that takes a step for each."""

    def __init__(self, *, watch: Watch = Watch(), root: bool = False, **optimizer):  # noqa: B008  (frozen)
        self.task, self.mesh = TASK, make_mesh(ONE_DEVICE)
        self.skeleton, start, self.step = built(tuple(sorted(optimizer.items())), watch, root)
        self.state = start()

    def put(self, batch):
        return put_batch(batch, self.mesh, accumulation=PARTS)

    def go(self, *batches):
        for batch in batches:
            self.state = self.step(self.state, self.put(batch))
        return self

    def pass_over(self):
        """The step number moves on and nothing else, as if there had been no such batch."""
        self.state = dataclasses.replace(self.state, step=self.state.step + 1)
        return self

    @property
    def params(self):
        return jax.device_get(self.state.params)


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]
