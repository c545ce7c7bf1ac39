"""The memory of writing long texts with a causal Longformer, beside a Transformer; results/memory.json.

    python -m experiments.decoding.memory && python -m experiments.ledger --write

Small nets with rotary places (2 layers of width 64, windows of 256 tokens), one row, greedy, each length in a process
of its own. Told: the bytes of the cache, the temporary memory that the compiler planned for the whole loop, and the
most that the process held after it had written all tokens. The tokens themselves are 5 bytes each.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.decoding.page import TABLES
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "decoding" / "results" / "memory.json"
LENGTHS = (1_024, 4_096, 16_384, 65_536)
SIZES = {"vocab_size": 256, "width": 64, "depth": 2, "heads": 4, "mlp_width": 128, "max_positions": 1}


def written(net: str, length: int) -> dict[str, Any]:
    """In this process."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from decoding import Settings, generate
    from models import MODELS
    from models.writers import CausalLM

    config, build = MODELS[net]
    more = {"windows": (256,)} if net == "longformer" else {}
    cfg = config(**SIZES, **more, positions="rotary", causal=True, norm="pre")
    model = CausalLM(build(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    graph, state = nnx.split(model)
    settings, prompt = Settings(max_new_tokens=length - 1), jnp.ones((1, 1), jnp.int32)
    write = jax.jit(lambda state, ids: generate(nnx.merge(graph, state), ids, settings))
    program = write.lower(state, prompt).compile()
    lengths = program(state, prompt).lengths
    if int(lengths[0, 0]) != length - 1:
        raise RuntimeError(f"{int(lengths[0, 0])} tokens were written, not {length - 1}")
    return {
        "net": net,
        "length": length,
        "cache": sum(leaf.nbytes for leaf in jax.tree.leaves(model.start(1, length))),
        "temporary": program.memory_analysis().temp_size_in_bytes,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.decoding.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file to write")
    parser.add_argument("--one", nargs=2, metavar=("NET", "LENGTH"), help="measure this one here, and print it")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(written(given.one[0], int(given.one[1]))))
        return
    cases = []
    for net in ("longformer", "transformer"):
        for length in LENGTHS[: None if net == "longformer" else -1]:  # the Transformer's time grows with the square
            command = [sys.executable, "-m", "experiments.decoding.memory", "--one", net, str(length)]
            done = subprocess.run(
                command, cwd=machine.ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=True, stdout=subprocess.PIPE
            )
            cases.append(json.loads(done.stdout))
            print(cases[-1], file=sys.stderr, flush=True)
    report = machine.provenance("python -m experiments.decoding.memory", ("jax", "jaxlib", "flax")) | {"cases": cases}
    write_json(given.out, report)
    print(TABLES["memory"](report))


if __name__ == "__main__":
    main()
