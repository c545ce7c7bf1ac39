"""What `python -m experiments.decoding` measures. Imports neither library."""

import dataclasses
from dataclasses import dataclass

import numpy as np

OURS, THEIRS = "ours", "transformers"
VOCAB, WIDTH, DEPTH = 50_257, 768, 12  # Radford et al. 2019, the smallest: 124 M
PARAMETERS = DEPTH * 12 * WIDTH**2 + VOCAB * WIDTH  # of the matrices, each read once for a token of every row


@dataclass(frozen=True)
class Case:
    """`batch` prompts of `prompt` tokens, each gone on with by `new` ones. `directory`: where the weights lie.

    `lookup`: so many tokens are proposed at a step, by either peer, from what stands there (prompt lookup decoding).
    """

    batch: int
    prompt: int = 32
    new: int = 128
    lookup: int = 0
    directory: str = ""

    @property
    def name(self) -> str:
        return f"{self.batch} x {self.new}" + f", {self.lookup} looked up" * bool(self.lookup)

    def to_json(self) -> dict[str, int | str]:
        return dataclasses.asdict(self)


CASES = (Case(1), Case(8), Case(1, lookup=4))


def prompts(case: Case) -> np.ndarray:
    return np.random.default_rng(0).integers(5, 50_000, (case.batch, case.prompt))
