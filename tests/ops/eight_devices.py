"""Run by test_distributed in a process with eight simulated devices: a JSON line per case.

Every third case, or with `all` every one.
"""

import json
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import mesh_axes
from ops.attention import longformer_attention_dense
from ops.distributed import find_global_tokens, take_rows
from ops.longformer import longformer_attention
from ops.masks import token_groups
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


def error(window: Window, *, rate: float) -> float:
    """Largest difference of values and gradients from the dense oracle, float64."""
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.normal(size=(B, S, H, K))) for _ in range(7)]
    real = jnp.asarray(rng.random((B, S)) < 0.9)
    is_global = jnp.asarray(rng.random((B, S)) < 0.15) & real
    segments = jnp.asarray(np.sort(rng.integers(1, 3, (B, S))))
    groups = token_groups((B, S), real=real, segment_ids=segments)
    how = {"window": window, "dropout_rate": rate, "dropout_key": jax.random.key(3) if rate else None}

    def dense(*x):
        return longformer_attention_dense(x[:3], x[3:], is_global=is_global, real=real, segment_ids=segments, **how)

    def over(*x):
        tokens = find_global_tokens(is_global, 16)
        return longformer_attention(x[:3], (take_rows(x[3], tokens), *x[4:]), tokens, groups=groups, **how)

    def run(road, *x):
        out, pull = jax.vjp(road, *x[:6])
        return [out, *pull(x[6])]

    want, got = (jax.jit(partial(run, road))(*arrays) for road in (dense, over))
    return max(float(jnp.abs(a - b).max()) for a, b in zip(want, got, strict=True))


def cases() -> list[tuple[tuple[int, ...], str]]:
    """Sizes of the mesh and the name of a window; one that differs between heads needs them all on one device."""
    heads = mesh_axes.ALL.index(mesh_axes.HEADS)
    return [
        (sizes, name)
        for sizes in ((1, 1, 1, 8), (2, 1, 1, 4), (1, 2, 2, 2))
        for name, window in WINDOWS.items()
        if sizes[heads] == 1 or not isinstance(window.width, tuple)
    ]


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    for sizes, name in cases()[:: 1 if "all" in sys.argv else 3]:
        mesh = jax.make_mesh(sizes, mesh_axes.ALL, axis_types=(jax.sharding.AxisType.Auto,) * 4)
        rate = 0.3 if sizes[-1] < 8 or name == "dilated" else 0.0
        with jax.set_mesh(mesh):
            case = {"window": name, "mesh": sizes, "dropout": rate, "error": error(WINDOWS[name], rate=rate)}
        sys.stdout.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
