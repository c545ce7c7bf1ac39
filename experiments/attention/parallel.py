"""Tokens shared out over simulated devices: equality with one device, what is sent, and memory per device.

    python -m experiments.attention.parallel --tokens 1024,4096 --output experiments/attention/results/parallel.json

Nothing is timed: eight simulated devices share the same cores.
"""

import argparse
import json
import os
import re
from pathlib import Path

from experiments.machine import provenance
from whole_files import write_json

# One number of bytes for each element type that appears in a collective here.
BYTES = {"f32": 4, "bf16": 2, "s32": 4, "u32": 4, "pred": 1, "f64": 8}
COLLECTIVES = ("collective-permute", "all-gather", "all-reduce", "all-to-all", "reduce-scatter")


def collectives(program: str) -> dict[str, dict[str, int]]:
    """Count and bytes of each kind of collective in a compiled program: bytes of the results on one device."""
    found = {}
    for kind in COLLECTIVES:
        pattern = rf"= (.+?) {kind}(?:-start)?\("
        shapes = [match.group(1) for line in program.splitlines() if (match := re.search(pattern, line))]
        if shapes:
            found[kind] = {"count": len(shapes), "bytes": sum(map(_size, shapes))}
    return found


def _size(shape: str) -> int:
    total = 0
    for kind, sizes in re.findall(r"(\w+)\[([\d,]*)\]", shape):
        elements = 1
        for size in filter(None, sizes.split(",")):
            elements *= int(size)
        total += BYTES[kind] * elements
    return total


def measure(tokens: int, devices: int, *, window: int, slots: int, heads: int, head_width: int) -> dict:
    """Forward and backward over one row of `tokens` on `devices`, against one device."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    from ops.distributed import find_global_tokens, take_rows
    from ops.longformer import longformer_attention
    from training.mesh import ONE_DEVICE, make_mesh

    rng = np.random.default_rng(0)
    shape = (1, tokens, heads, head_width)
    arrays = [jnp.asarray(rng.normal(size=shape), jnp.float32) for _ in range(7)]
    is_global = jnp.asarray(rng.permutation(tokens)[None] < slots)

    def attend(*x):
        found = find_global_tokens(is_global, slots)
        return longformer_attention(x[:3], (take_rows(x[3], found), *x[4:]), found, window=window)

    def both_ways(*x):
        out, pull = jax.vjp(attend, *x[:6])
        return [out, *pull(x[6])]

    want = jax.jit(lambda *x: both_ways(*x))(*arrays)  # a function of its own: the other is traced for the mesh
    mesh = make_mesh(ONE_DEVICE | {"sequence": devices})
    shares = NamedSharding(mesh, PartitionSpec(None, "sequence"))
    placed = [jax.device_put(x, shares) for x in arrays]
    with jax.set_mesh(mesh):
        compiled = jax.jit(both_ways, out_shardings=shares).lower(*placed).compile()
    memory = compiled.memory_analysis()
    got = compiled(*placed)
    return {
        "tokens": tokens,
        "devices": devices,
        "window": window,
        "global_tokens": slots,
        "heads": heads,
        "head_width": head_width,
        "error": max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(got, want, strict=True)),
        "largest_value": max(float(jnp.abs(x).max()) for x in want),
        "collectives": collectives(compiled.as_text()),
        "bytes_per_device": memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes,
        "temporary_bytes_per_device": memory.temp_size_in_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", default="4096,16384", help="lengths, tokens")
    parser.add_argument("--devices", default="1,2,4,8", help="numbers of devices")
    parser.add_argument("--window", type=int, default=256, help="tokens to each side")
    parser.add_argument("--slots", type=int, default=4, help="global tokens")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--head-width", type=int, default=64)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args()
    devices = [int(n) for n in options.devices.split(",")]
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={max(devices)}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    sizes = {"window": options.window, "slots": options.slots, "heads": options.heads, "head_width": options.head_width}
    cases = [measure(int(tokens), count, **sizes) for tokens in options.tokens.split(",") for count in devices]
    for case in cases:
        print(json.dumps(case))
    if options.output:
        made_on = provenance("python -m experiments.attention.parallel", ("jax", "jaxlib"))
        write_json(options.output, made_on | {"cases": cases})


if __name__ == "__main__":
    main()
