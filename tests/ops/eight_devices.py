"""Run by test_sequence_parallel in a process with eight simulated devices: a JSON line per case."""

import json
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

from ops.attention import longformer_attention_dense
from ops.masks import token_groups
from ops.sequence_parallel import longformer_attention_over
from ops.window import Window

B, S, H, K = 2, 48, 2, 4
WINDOWS = {
    "narrow": Window(4),
    "wider than a share": Window(11),
    "wider than the row": Window(100),
    "dilated": Window((3, 2), dilation=(4, 1)),
    "causal": Window(5, causal=True),
    "causal and dilated": Window((2, 9), dilation=(3, 2), causal=True),
}


def error(window: Window, *, mesh: jax.sharding.Mesh, rate: float) -> float:
    """Largest difference of values and gradients from the dense oracle, float64."""
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.normal(size=(B, S, H, K))) for _ in range(7)]
    real = jnp.asarray(rng.random((B, S)) < 0.9)
    is_global = jnp.asarray(rng.random((B, S)) < 0.15) & real
    segments = jnp.asarray(np.sort(rng.integers(1, 3, (B, S))))
    groups = token_groups((B, S), real=real, segment_ids=segments)
    how = {"window": window, "dropout_rate": rate, "dropout_key": jax.random.key(3) if rate else None}
    batch = "data" if "data" in mesh.shape else None

    def dense(*x):
        return longformer_attention_dense(x[:3], x[3:], is_global=is_global, real=real, segment_ids=segments, **how)

    def over(*x):
        more = {"max_global_tokens": 16, "groups": groups, "batch_axis": batch}
        return longformer_attention_over(mesh, x[:3], x[3:], is_global, **more, **how)

    def run(road, *x):
        out, pull = jax.vjp(road, *x[:6])
        return [out, *pull(x[6])]

    want, got = (jax.jit(partial(run, road))(*arrays) for road in (dense, over))
    return max(float(jnp.abs(a - b).max()) for a, b in zip(want, got, strict=True))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    for sizes, axes in (((8,), ("sequence",)), ((2, 4), ("data", "sequence"))):
        mesh = jax.make_mesh(sizes, axes, axis_types=(AxisType.Auto,) * len(axes))
        for name, window in WINDOWS.items():
            rate = 0.3 if len(axes) == 2 or name == "dilated" else 0.0
            case = {"window": name, "mesh": sizes, "dropout": rate, "error": error(window, mesh=mesh, rate=rate)}
            sys.stdout.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
