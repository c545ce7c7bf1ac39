"""One forward and backward pass of a whole Longformer over one very long row, on this machine.

    python -m experiments.attention.long_row --out=experiments/attention/results/long_row.json

Longformer-base (12 layers, 768 wide, one-sided window 256), every layer recomputed in the backward pass, the first
token global, a tied masked-LM head at 15 % of the places of the first 4,096 tokens.
"""

import argparse
import resource
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments import machine
from experiments.attention.device import peak_bytes
from models import Longformer, LongformerConfig
from models.config import DTYPES
from whole_files import write_json

VOCAB, PREDICTED = 50_265, 614


def config(tokens: int, depth: int, dtype: str, implementation: str) -> LongformerConfig:
    return LongformerConfig(
        vocab_size=VOCAB,
        width=768,
        depth=depth,
        heads=12,
        mlp_width=3072,
        max_positions=tokens,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        windows=(256,),
        remat="full",
        scan=True,
        dtype=dtype,
        implementation=implementation,
    )


def measure(tokens: int, *, depth: int, calls: int, dtype: str, implementation: str) -> dict:
    """Seconds of each call, the loss, and the memory: the compiler's plan, and the peaks of process and device."""
    graph, params = nnx.split(Longformer(config(tokens, depth, dtype, implementation), rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(0)
    ids = jnp.asarray(rng.integers(0, VOCAB, (1, tokens)), jnp.int32)
    marks = jnp.zeros((1, tokens), jnp.int32).at[:, 0].set(1)
    places = jnp.asarray(np.sort(rng.choice(min(tokens, 4096), min(tokens, PREDICTED), replace=False)))

    def loss(params, ids, marks):
        net = nnx.merge(graph, params)
        hidden = net(ids, global_attention_mask=marks).last_hidden_state[:, places]
        logits = net.embeddings.attend(hidden)
        chosen = jnp.take_along_axis(logits, ids[:, places, None], -1)[..., 0]
        return (jax.nn.logsumexp(logits, -1) - chosen).mean()

    compiled = jax.jit(jax.value_and_grad(loss)).lower(params, ids, marks).compile()
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        value, gradient = jax.block_until_ready(compiled(params, ids, marks))
        seconds.append(time.perf_counter() - began)
    memory = compiled.memory_analysis()
    return {
        "tokens": tokens,
        "depth": depth,
        "dtype": dtype,
        "implementation": implementation,
        "seconds": seconds,
        "loss": float(value),
        "finite": all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient)),
        "temporary_bytes": memory.temp_size_in_bytes,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "device_peak_bytes": peak_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--tokens", type=int, default=65_536)
    parser.add_argument("--depth", type=int, default=12, help="layers")
    parser.add_argument("--calls", type=int, default=1, help="times to run the compiled program")
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="type of the computation")
    parser.add_argument(
        "--implementation", default="auto", help="program of the windows: auto | those of ops/backends.py"
    )
    given = parser.parse_args()
    told = machine.provenance("python -m experiments.attention.long_row", ("jax", "jaxlib", "flax"))
    how = {"dtype": given.dtype, "implementation": given.implementation}
    told |= measure(given.tokens, depth=given.depth, calls=given.calls, **how)
    print(told)
    if given.out:
        write_json(given.out, told)


if __name__ == "__main__":
    main()
