"""All that this study measures on one GPU, part by part.

    python -m experiments.attention.gpu --out=experiments/attention/results/gpu.json

correctness  the Triton program against XLA's, values and gradients
core         the attention alone in bfloat16 at 16 x 4096, forward and backward, beside PyTorch's compiled FlexAttention
step         training steps of Longformer-base, masked LM, bfloat16: tokens/s and share of the peak
long_row     one forward and backward pass of Longformer-base over 1,048,576 tokens

Needs JAX for CUDA; for the peers a CUDA build of PyTorch with Triton. Each measurement has a process of its own, and
what cannot run is listed with its error. The file is written after each; parts that are not asked for stay in it as
they are. `--smoke` runs everything on a processor at tiny sizes, kernels interpreted.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.attention import core, correctness, device, long_row, masked_lm
from experiments.attention.cases import GPU, GPU_SMOKE
from experiments.attention.gpu_page import gpu_table
from experiments.attention.masked_lm import Run
from experiments.attention.turns import ON_GPU
from experiments.speed.encoder import ENVIRONMENT, ON_CPU, PACKAGES
from whole_files import write_json

ROWS = (4, 8, 16)  # of 4096 tokens, in a training step
LONG_ROW = {"tokens": 2**20, "depth": 12, "calls": 2}
Work = Callable[[], dict[str, Any]]


def apart(work: Work) -> dict[str, Any]:
    """What `work` gives in a process of its own, whose memory is free again afterwards; or its error."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(work).result()
        except Exception as error:  # a measurement may fail in any way: the report says how, and the next one starts
            return {
                "error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300] if str(error) else ''}"
            }


def correctness_part(smoke: bool) -> Iterator[tuple[dict[str, Any], Work]]:
    for shape in correctness.SMOKE if smoke else correctness.SHAPES:
        yield {"name": shape.name}, partial(correctness.measure, shape, kernels(smoke))


def core_part(smoke: bool) -> Iterator[tuple[dict[str, Any], Work]]:
    case = GPU_SMOKE if smoke else GPU
    yield {"name": case.name}, partial(core.measure, case, rounds=2 if smoke else 7)


def step_part(smoke: bool) -> Iterator[tuple[dict[str, Any], Work]]:
    small = {"size": "tiny", "length": 128, "calls": 2, "product": 256} if smoke else {}
    runs = [Run(rows, each, **small) for each in (kernels(smoke), "xla") for rows in (ROWS[:1] if smoke else ROWS)]
    runs.append(Run(ROWS[0 if smoke else 1], kernels(smoke), dropout=0.0, **small))
    for run in runs:
        yield dataclasses.asdict(run), partial(masked_lm.measure, run)


def long_row_part(smoke: bool) -> Iterator[tuple[dict[str, Any], Work]]:
    sizes = {"tokens": 256, "depth": 1, "calls": 2} if smoke else LONG_ROW
    for implementation in (kernels(smoke), "xla"):
        how = sizes | {"dtype": "bfloat16", "implementation": implementation}
        yield how, partial(long_row.measure, **how)


PARTS = {"correctness": correctness_part, "core": core_part, "step": step_part, "long_row": long_row_part}


def kernels(smoke: bool) -> str:
    return "triton_interpreted" if smoke else "triton"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--parts", default=",".join(PARTS), help="which ones, in this order")
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="the chip's dense bfloat16 peak (H100: 989)")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes on a processor: does everything work?")
    given = parser.parse_args()
    if unknown := set(given.parts.split(",")) - PARTS.keys():
        parser.error(f"--parts: there is no part {', '.join(sorted(unknown))}; use some of {', '.join(PARTS)}")
    os.environ.update(ENVIRONMENT | (ON_CPU if given.smoke else ON_GPU))  # of all processes to come
    found = apart(device.described)
    if not given.smoke and found.get("platform") != "gpu":
        parser.error(f"JAX sees no GPU: {found}")
    head = machine.provenance("python -m experiments.attention.gpu", (*PACKAGES, "jax-cuda13-plugin", "triton"))
    head |= found | {"peak_flops": 1e12 * given.peak_tflops}
    report = json.loads(given.out.read_text(encoding="utf-8")) if given.out and given.out.exists() else {"parts": {}}
    for name in given.parts.split(","):
        done: list[dict[str, Any]] = []
        report["parts"][name] = head | {"results": done}
        for what, work in PARTS[name](given.smoke):
            began = time.perf_counter()
            done.append(what | apart(work))
            print(f"{name}: {time.perf_counter() - began:.0f} s: {json.dumps(done[-1])[:500]}", file=sys.stderr)
            if given.out:
                write_json(given.out, report)  # after each, so that none is lost
    print(gpu_table(report))


if __name__ == "__main__":
    main()
