"""What the attention alone is measured on: sizes, inputs and who takes part. Imports neither library."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from experiments.speed.cases import HEADS, OURS, WIDTH, WINDOW

HEAD_WIDTH = WIDTH // HEADS  # 64
PRODUCT = 2048  # the machine's rate is that of a product of two square matrices of this side
SAMPLES = 256  # numbers of each result that peers are compared by


@dataclass(frozen=True)
class Case:
    """Rows of `length` tokens, and the peers measured in turn; the first one is what the others are compared with.

    `same_values` are the peers that must compute what the first one does, within `tolerance` of the largest number.
    """

    name: str
    length: int
    peers: tuple[str, ...]
    same_values: tuple[str, ...] = ()
    rows: int = 1
    window: int = WINDOW  # one-sided
    dtype: str = "float32"
    tolerance: float = 1e-5
    calls: int = 1  # steps timed together: on an accelerator one alone would be mostly waiting
    product: int = PRODUCT
    device: str = "cpu"

    def to_json(self) -> dict:
        return dataclasses.asdict(self)


BANDED = ("prototype", "transformers", "sdpa masked")
CORE = (
    Case("1x4096", 4096, (OURS, *BANDED, "sdpa", "eager"), same_values=BANDED),
    Case("1x16384", 16384, (OURS, *BANDED, "sdpa"), same_values=BANDED),  # eager: 12 GiB for each array of scores
)
SMOKE = (dataclasses.replace(CORE[0], name="smoke", length=1024),)


def inputs(case: Case) -> tuple[np.ndarray, ...]:
    """q, k, v [B S H K] and the gradient that arrives at the output."""
    random = np.random.default_rng(0)
    shape = (case.rows, case.length, HEADS, HEAD_WIDTH)
    return tuple(random.standard_normal(shape, dtype=np.float32) for _ in range(4))


def places(case: Case) -> np.ndarray:
    """Where the flattened results are compared: both ends, where windows are cut off, and random places between."""
    size, end = case.rows * case.length * HEADS * HEAD_WIDTH, SAMPLES // 4
    between = np.random.default_rng(1).integers(0, size, SAMPLES - 2 * end)
    return np.concatenate([np.arange(end), between, np.arange(size - end, size)])
