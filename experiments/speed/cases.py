"""What encoder.py measures: sizes, inputs and who takes part. Imports neither library."""

import dataclasses
from dataclasses import dataclass

import numpy as np

DEPTH, WIDTH, HEADS, MLP_WIDTH = 2, 768, 12, 3072  # BERT-base and Longformer-base, two of their twelve layers
WINDOW = 256  # one-sided; transformers' attention_window counts both sides: 512
OURS, PRODUCTS_ALONE = "ours", "products"


@dataclass(frozen=True)
class Case:
    """One row of `batch` x `length` tokens, and the peers measured in turn.

    `same_model` are the peers with the same architecture, whose parameters must be as many as ours;
    `least` is what the ratio to each peer has to reach (time of the peer / time of ours), and `most` what the time of
    ours may be at most in times of the peer.
    """

    name: str
    family: str  # bert | longformer
    batch: int
    length: int
    dropout: float
    vocab_size: int
    max_positions: int
    token_types: int
    peers: tuple[str, ...]
    same_model: tuple[str, ...]
    least: dict[str, float]
    most: dict[str, float]

    def to_json(self) -> dict:
        return dataclasses.asdict(self)


BERT_PEERS = ("bert eager", "bert sdpa", "bert sdpa compiled")
# Ours without all that is not a matrix product: see products.py.
LONG_PEERS = (PRODUCTS_ALONE, "longformer", "longformer compiled", "bert sdpa", "bert eager")


def _bert(batch: int, length: int, dropout: float) -> Case:
    return Case(
        name=f"bert {batch}x{length} dropout {dropout:g}",
        family="bert",
        batch=batch,
        length=length,
        dropout=dropout,
        vocab_size=30522,
        max_positions=512,
        token_types=2,
        peers=BERT_PEERS,
        same_model=BERT_PEERS,
        least=dict.fromkeys(BERT_PEERS, 1.0),
        most={},
    )


def _longformer(length: int, dropout: float) -> Case:
    return Case(
        name=f"longformer 1x{length} dropout {dropout:g}",
        family="longformer",
        batch=1,
        length=length,
        dropout=dropout,
        vocab_size=50265,
        max_positions=4098,  # transformers numbers its positions from 2
        token_types=1,
        peers=LONG_PEERS,
        same_model=("longformer", "longformer compiled"),
        least={"longformer": 2.0, "longformer compiled": 2.0, "bert sdpa": 1.0, "bert eager": 1.0},
        most={PRODUCTS_ALONE: 1.4},
    )


CASES = tuple(
    case
    for dropout in (0.0, 0.1)
    for case in (_bert(8, 128, dropout), _bert(2, 512, dropout), _longformer(4096, dropout))
)
SMOKE = (
    dataclasses.replace(_bert(2, 64, 0.0), name="smoke bert"),
    dataclasses.replace(_longformer(1024, 0.1), name="smoke longformer"),
)


def inputs(case: Case) -> dict[str, np.ndarray]:
    """All tokens real, the first one global. Ids start at 5: transformers gives 1 (padding) another position."""
    random = np.random.default_rng(0)
    shape = (case.batch, case.length)
    arrays = {
        "input_ids": random.integers(5, case.vocab_size, shape).astype(np.int32),
        "attention_mask": np.ones(shape, np.int32),
    }
    if case.family == "longformer":
        arrays["global_attention_mask"] = (np.arange(case.length) == 0).astype(np.int32)[None].repeat(case.batch, 0)
    return arrays


def loss_weights(case: Case) -> np.ndarray:
    """The loss is the sum of the last hidden state times these.

    Not a sum of squares: after the last norm that hardly depends on anything, and its gradients would be near zero.
    """
    return np.random.default_rng(1).standard_normal((case.batch, case.length, WIDTH)).astype(np.float32)
