"""Times what stands between a config and its first training step, for 6 and 24 layers, scanned and written out.

    python experiments/speed/compile_time.py --out=experiments/speed/results/compile_time.json

BERT-base sizes but for the depth, one row of 512 tokens, masked LM, AdamW: the model's skeleton, the trace and the
compilation of the step that train.py runs. Each in a process of its own, in turn, without a compilation cache.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.page import TABLES
from whole_files import write_json

PACKAGES = ("jax", "jaxlib", "flax", "optax")
DEPTHS = (6, 24)
LENGTH = 512


def measure(model: str, depth: int, *, scan: bool) -> dict[str, Any]:
    """In this process: seconds until the step is compiled, and what it would hold."""
    import jax

    from experiments.sizes import measure as sizes
    from models import MODELS

    jax.config.update("jax_enable_compilation_cache", False)
    longformer = {"windows": (256,)} if model == "longformer" else {}
    values = {"vocab_size": 30_522, "width": 768, "heads": 12, "mlp_width": 3072, "max_positions": LENGTH}
    cfg = MODELS[model][0](depth=depth, scan=scan, **values, **longformer)
    batch = sizes.batch_of_one(cfg, LENGTH, with_global=model == "longformer")
    jax.block_until_ready(jax.numpy.ones(1) + 1)  # the backend has started
    began = time.perf_counter()
    built = sizes.build(model, cfg, batch)
    return {"seconds": time.perf_counter() - began, "peak_bytes": built.peak_bytes, "parameters": built.parameters}


def in_a_process(model: str, depth: int, scan: bool) -> dict[str, Any]:
    words = [sys.executable, __file__, f"--alone={model},{depth},{int(scan)}"]
    done = subprocess.run(words, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{model} of {depth} layers: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", default="", help="model,depth,scan: one measurement in this process")
    given = parser.parse_args()
    if given.alone:
        model, depth, scan = given.alone.split(",")
        print(json.dumps(measure(model, int(depth), scan=scan == "1")))
        return
    cases = [
        (model, depth, scan) for model in ("transformer", "longformer") for scan in (True, False) for depth in DEPTHS
    ]
    measured: dict[tuple, list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case in cases:
            measured[case].append(in_a_process(*case))
            print(*case, f"{measured[case][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    report = machine.provenance("python experiments/speed/compile_time.py", PACKAGES)
    report["cases"] = [
        {"model": model, "depth": depth, "scan": scan, **told[0], "seconds": [each["seconds"] for each in told]}
        for (model, depth, scan), told in measured.items()
    ]
    if given.out:
        write_json(given.out, report)
    print(TABLES["compile_time"](report))


if __name__ == "__main__":
    main()
