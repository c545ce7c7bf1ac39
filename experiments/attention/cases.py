"""What the attention alone is measured on: sizes, inputs and who takes part. Imports neither library."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from experiments.speed.cases import HEADS, OURS, WIDTH, WINDOW

HEAD_WIDTH = WIDTH // HEADS  # 64
PRODUCT = 2048  # the machine's rate is that of a product of two square matrices of this side
PRODUCTS = 20  # such products are sent off together
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
    calls: int = 1  # steps sent off together: on an accelerator one alone would be mostly waiting
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

# On a GPU. A bfloat16 number has 8 bits: each rounds off up to 0.4 %, and peers round at different places.
GPU_BAND = ("ours triton", "flex")
GPU = Case(
    "16x4096",
    4096,
    ("ours xla", *GPU_BAND, "sdpa"),
    same_values=GPU_BAND,
    rows=16,
    dtype="bfloat16",
    tolerance=3e-2,
    calls=20,
    product=8192,
    device="gpu",
)
GPU_SMOKE = dataclasses.replace(
    GPU,
    name="smoke",
    length=256,
    peers=("ours xla", "ours triton_interpreted", "flex", "sdpa"),
    same_values=("ours triton_interpreted", "flex"),
    rows=1,
    window=32,
    calls=2,
    product=256,
    device="cpu",
)


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
