"""Times a training step of GPT-2's sizes (124 M parameters) beside transformers with PyTorch, on this processor.

    python experiments/speed/gpt2.py --out=experiments/speed/results/gpt2.json

One row of 1,024 tokens, float32, no dropout: forward, backward, AdamW. Peers take turns, each in a process of its own,
as in encoder.py. They differ in little: ours has the exact GELU, theirs GPT-2's tanh form of it. At the end two steps
of several rows by ours with and without `loss_chunk`, one after the other, for the memory that the logits take.
"""

import argparse
import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.encoder import PACKAGES, REST, Worker
from experiments.speed.gpt2_worker import DEPTH, HEADS, LENGTH, OURS, VOCAB, WIDTH
from experiments.speed.page import TABLES
from models.config import TransformerConfig
from models.cost import TRAINING, encoder_flops
from whole_files import write_json

CHUNKED = "ours chunked"
PEERS = (OURS, CHUNKED, "gpt2 eager", "gpt2 sdpa", "gpt2 sdpa compiled")


@dataclass(frozen=True)
class Rows:
    """The number of rows in a batch, as `Worker` sends it."""

    rows: int

    def to_json(self) -> dict[str, int]:
        return dataclasses.asdict(self)


class Peer(Worker):
    module = "experiments.speed.gpt2_worker"


def flops(rows: int) -> int:
    """Of one step: the stack over every token, and logits at each."""
    sizes = {"vocab_size": VOCAB, "width": WIDTH, "depth": DEPTH, "heads": HEADS, "mlp_width": 4 * WIDTH}
    stack = encoder_flops(TransformerConfig(**sizes, max_positions=LENGTH, causal=True), LENGTH)
    return TRAINING * rows * (stack + 2 * LENGTH * WIDTH * VOCAB)


def measure(rows: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of every peer in every round; a peer that cannot run is listed with its error."""
    workers: dict[str, Peer] = {}
    results: dict[str, dict[str, Any]] = {}
    try:
        for name in PEERS:
            workers[name] = Peer(Rows(rows), name)
            try:
                first = workers[name].ask("step")
                results[name] = {key: first[key] for key in ("loss", "parameters", "planned")} | {"seconds": []}
            except RuntimeError as error:
                results[name] = {"error": str(error)}
                workers.pop(name).close()
        for _ in range(rounds):
            for name, worker in workers.items():
                time.sleep(REST)
                told = worker.ask("step")
                results[name]["seconds"].append(told["seconds"])
                results[name]["peak_mib"] = told["peak_mib"]
    finally:
        for worker in workers.values():
            worker.close()
    return results


def memory(rows: int) -> dict[str, dict[str, int]]:
    """What the loss over chunks of tokens saves: of two steps, each form alone."""
    results = {}
    for name in (OURS, CHUNKED):
        worker = Peer(Rows(rows), name)
        try:
            worker.ask("step")
            told = worker.ask("step")
            results[name] = {key: told[key] for key in ("planned", "peak_mib")}
        finally:
            worker.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1, help="rows of 1,024 tokens in a step")
    parser.add_argument("--memory-rows", type=int, default=8, help="rows in a step whose memory is measured")
    given = parser.parse_args()
    report = machine.provenance("python experiments/speed/gpt2.py", (*PACKAGES, "optax"))
    report |= {"rows": given.rows, "flops": flops(given.rows), "results": measure(given.rows, given.rounds)}
    report["memory"] = {"rows": given.memory_rows, "results": memory(given.memory_rows)}
    if given.out:
        write_json(given.out, report)
    print(TABLES["gpt2"](report))


if __name__ == "__main__":
    main()
