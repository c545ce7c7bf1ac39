"""How long a step takes after a text that was read, by the text's length; results/after_reading.json.

    python -m experiments.decoding.after_reading && python -m experiments.ledger --write

An encoder-decoder of random weights (6 decoder layers of width 512, 32,000 words) reads texts of either length and
writes 100 tokens, greedy, float32. To write one token is timed beside it: the difference is of 99 steps. Let nothing
else run meanwhile.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments import machine
from experiments.decoding.page import TABLES
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "decoding" / "results" / "after_reading.json"
SIZES = {"vocab_size": 32_000, "width": 512, "depth": 6, "heads": 8, "mlp_width": 2_048, "max_positions": 2_048}
ROWS, LENGTHS, STEPS = (1, 4), (32, 1_024), 99


def _seconds(decoder: Any, read: np.ndarray) -> float:
    began = time.perf_counter()
    decoder(read).tokens.block_until_ready()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.decoding.after_reading", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=5, help="after one of warming up")
    given = parser.parse_args()

    from training.host_memory import keep_pages

    keep_pages()
    from flax import nnx

    from decoding import Decoder, Settings
    from models.config import EncoderDecoderConfig, TransformerConfig
    from models.encoder_decoder import EncoderDecoder
    from models.writers import Generator

    cfg = TransformerConfig(**SIZES)
    halves = EncoderDecoderConfig(
        encoder=dataclasses.replace(cfg, depth=1), decoder=dataclasses.replace(cfg, causal=True)
    )
    model = Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0))
    one, many = (Decoder(model, Settings(max_new_tokens=n, decoder_start_token_id=1)) for n in (1, STEPS + 1))
    cases = []
    for rows in ROWS:
        for length in LENGTHS:
            read = np.random.default_rng(0).integers(5, 30_000, (rows, length))
            _seconds(one, read), _seconds(many, read)  # compiled
            steps = [(_seconds(many, read) - _seconds(one, read)) / STEPS for _ in range(given.rounds)]
            cases.append({"rows": rows, "read": length, "seconds": steps})
    report = machine.provenance("python -m experiments.decoding.after_reading", ("jax", "jaxlib", "flax"))
    report |= {"cases": cases}
    write_json(given.out, report)
    print(TABLES["after_reading"](report))


if __name__ == "__main__":
    main()
