"""Run in a process with eight simulated devices: digests of arrays that lie in many ways, and a checkpoint of them.

Also what any of the programs would send from one device to another.
"""

import json
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from training.checkpoint import Checkpoints
from training.digest import _sums_by_device, finish_digests, start_digests
from training.state import TrainState

RNG = np.random.default_rng(5)
ARRAYS = {
    "table": RNG.standard_normal((64, 16)).astype(np.float32),
    "bias": np.asarray(jnp.asarray(RNG.standard_normal(32), jnp.bfloat16)),
    "ids": RNG.integers(0, 99, (8, 8, 2), dtype=np.int32),
}
LAYOUTS = {"table": (P(), P("a"), P(None, "b"), P("b", "a"), P(("a", "b")))}


def state_of(params: dict[str, jax.Array], *, step: int = 0) -> TrainState:
    """A state with an optimizer's, a key, averages and counts, as the engine would save it."""
    optimizer = optax.adam(1e-3)
    floats = {name: value for name, value in params.items() if jnp.issubdtype(value.dtype, jnp.floating)}
    _, opt_state = optimizer.update(floats, optimizer.init(floats))
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        opt_state=opt_state,
        key=jax.random.key(step),
        tally={"loss": jnp.float32(step)},
        ema={name: value / 2 for name, value in floats.items()},
        guard={"in_a_row": jnp.zeros((), jnp.int32)},
    )


def main(directory: Path) -> None:
    mesh = jax.make_mesh((2, 4), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    told: dict[str, dict[str, str]] = {name: {} for name in ARRAYS}
    sent: list[str] = []
    for name, array in ARRAYS.items():
        for layout in LAYOUTS.get(name, (P(), P("a"), P(("a", "b")))):
            lying = jax.device_put(array, NamedSharding(mesh, layout))
            program = _sums_by_device.lower(lying, lying.sharding, (1,) * array.ndim).compile().as_text()
            sent += re.findall(r"all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute", program)
            told[name][str(layout)] = finish_digests(start_digests({"it": lying}))["it"]
    everywhere = NamedSharding(mesh, P(("a", "b")))
    state = state_of({name: jax.device_put(array, everywhere) for name, array in ARRAYS.items()}, step=3)
    checkpoints = Checkpoints(directory, keep=2, best="loss")
    checkpoints.save(state, step=3, identity={}, scores={})
    checkpoints.close()
    sys.stdout.write(json.dumps({"digests": told, "sent": sent}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
