"""What digests cost: how long saving holds up the training, and how long restoring takes with and without them.

    python -m experiments.faults.cost --rounds=5

The state is that of a net of BERT-base's sizes under Adam, float32. No step is under way when saving begins, so that
the time is that of the digests and of Orbax's copies alone.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import machine
from experiments.faults.runs import PACKAGES
from training.about import describe_with_digests
from training.checkpoint import Checkpoints
from training.guard import fresh_guard
from training.mesh import ONE_DEVICE, make_mesh
from training.restore import items_of, restore_newest
from training.state import TrainState
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "faults" / "results" / "cost.json"
WIDTH, MLP_WIDTH, DEPTH, VOCABULARY = 768, 3072, 12, 30522


def state() -> TrainState:
    shapes = {"embeddings": (VOCABULARY, WIDTH)}
    for layer in range(DEPTH):
        shapes |= {f"{layer}.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value", "out")}
        shapes |= {f"{layer}.up": (WIDTH, MLP_WIDTH), f"{layer}.down": (MLP_WIDTH, WIDTH)}
        shapes |= {f"{layer}.scale{number}": (WIDTH,) for number in range(10)}
    rng = np.random.default_rng(0)
    params = {name: jnp.asarray(rng.standard_normal(shape, np.float32)) for name, shape in shapes.items()}
    optimizer = optax.adam(1e-3)
    _, opt_state = jax.jit(optimizer.update)(params, optimizer.init(params))
    return TrainState(jnp.int32(1), params, opt_state, jax.random.key(0), {}, {}, fresh_guard())


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 4)


def measure(rounds: int, directory: Path) -> dict[str, Any]:
    saved, mesh = state(), make_mesh(ONE_DEVICE)
    like, items = jax.eval_shape(lambda: saved), items_of(saved)
    describe_with_digests(items)  # compiles
    checkpoints = Checkpoints(directory, keep=1, best="loss")
    times = []
    for step in range(1, rounds + 1):
        about = {"step": step, "identity": {}, "scores": {}}
        restore = partial(restore_newest, directory, like, mesh, identity={})
        steps: dict[str, Callable[[], Any]] = {
            "digests": partial(describe_with_digests, items),
            "saving blocks": partial(checkpoints.save, saved, **about),
            "saving ends after": checkpoints.wait,
            "restoring, verified": lambda restore=restore: jax.block_until_ready(restore(verify=True).state),
            "restoring, not verified": lambda restore=restore: jax.block_until_ready(restore(verify=False).state),
        }
        times.append({name: seconds(work) for name, work in steps.items()})
        print(times[-1], flush=True)
    checkpoints.close()
    parameters = sum(array.size for array in saved.params.values())
    return {"parameters": parameters, "bytes": sum(leaf.nbytes for leaf in jax.tree.leaves(saved)), "rounds": times}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    report = machine.provenance("python -m experiments.faults.cost", PACKAGES)
    with tempfile.TemporaryDirectory() as scratch:
        report |= measure(given.rounds, Path(scratch))
    write_json(given.out, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
