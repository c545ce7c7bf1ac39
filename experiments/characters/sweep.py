"""What a small Longformer's windows are worth, on the characters of novels: six nets, two seeds.

    python -m sweeps run experiments/characters/sweep.py --at-once=2

Reads runs/data/gutenberg_novels, which experiments/finetuning/prepare.py writes. In each net but the last, which sees
the whole row, the windows of the four layers add up to 120 tokens on each side, so that all cost the same (Beltagy et
al. 2020, table 4, does it with twelve layers): even, growing to the top, growing to the bottom, growing with holes in
the upper two, and growing with a first token that every character sees.
"""

from sweeps import Sweep

GROWING = (8, 16, 32, 64)  # bottom layer first
WINDOWS = [
    {"model.windows": (30, 30, 30, 30), "model.dilations": (1,), "data.global_tokens": "none"},
    {"model.windows": GROWING, "model.dilations": (1,), "data.global_tokens": "none"},
    {"model.windows": GROWING[::-1], "model.dilations": (1,), "data.global_tokens": "none"},
    {"model.windows": GROWING, "model.dilations": (1, 1, 2, 2), "data.global_tokens": "none"},
    {"model.windows": GROWING, "model.dilations": (1,), "data.global_tokens": "first"},
    {"model.windows": (511,), "model.dilations": (1,), "data.global_tokens": "none"},
]


def get_sweep() -> Sweep:
    novels = {f"data.{split}": f"runs/data/gutenberg_novels/{split}" for split in ("train", "validation", "test")}
    return Sweep(
        recipe="configs/characters.py:tiny,stage=1",
        settings=WINDOWS,
        keys={
            **novels,
            "data.length": 512,
            "model.max_positions": 512,
            "train.batch_size": 8,
            "optimizer.name": "muon",
            "train.steps": 400,
            "evaluation.stride": 256,
            "evaluation.every": 200,
            "checkpoint.every": 100,
        },
        seeds=(0, 1),
        splits=("validation", "test"),
        metric="bits_per_character",
        directory="runs/characters/windows",
    )
