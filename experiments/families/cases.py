"""What `python -m experiments.families` measures: families, sizes and inputs. Imports neither library."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OURS, PEERS = "ours", ("eager", "sdpa")
LAYERS = 2  # of the published base sizes; encoder-decoders have as many in each half
BERTS = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "num_hidden_layers": LAYERS}
HALVES = {
    f"{half}_{name}": value
    for half in ("encoder", "decoder")
    for name, value in (("layers", LAYERS), ("attention_heads", 12), ("ffn_dim", 3072))
} | {"d_model": 768, "vocab_size": 50265}
T5S = {"d_model": 768, "d_kv": 64, "num_heads": 12, "num_layers": LAYERS, "vocab_size": 32128, "pad_token_id": 0}
WINDOW = 512  # as transformers counts it: of both sides


@dataclass(frozen=True)
class Case:
    """`batch` rows of `length` tokens; an encoder-decoder writes `written` more. `directory`: where the weights lie."""

    name: str
    model: str  # transformers' class
    config: dict[str, Any]
    batch: int
    length: int
    written: int = 0
    windowed: bool = False
    directory: str = ""
    peers: tuple[str, ...] = field(default=PEERS)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


CASES = (
    Case("bert 8x128", "BertForMaskedLM", BERTS | {"vocab_size": 30522}, 8, 128),
    Case("bert 2x512", "BertForMaskedLM", BERTS | {"vocab_size": 30522}, 2, 512),
    Case(
        "roberta 8x128",
        "RobertaForMaskedLM",
        BERTS | {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
        8,
        128,
    ),
    Case(
        "distilbert 8x128",
        "DistilBertForMaskedLM",
        {"dim": 768, "n_layers": LAYERS, "n_heads": 12, "hidden_dim": 3072, "vocab_size": 30522},
        8,
        128,
    ),
    Case(
        "albert 8x128",
        "AlbertForMaskedLM",
        BERTS | {"vocab_size": 30000, "embedding_size": 128, "num_hidden_layers": 4},
        8,
        128,
    ),
    Case(
        "modernbert 2x1024",
        "ModernBertForMaskedLM",
        BERTS | {"vocab_size": 50368, "intermediate_size": 1152, "num_hidden_layers": 3},
        2,
        1024,
    ),
    Case(
        "longformer 1x2048",
        "LongformerForMaskedLM",
        BERTS
        | {"vocab_size": 50265, "max_position_embeddings": 4098, "type_vocab_size": 1, "pad_token_id": 1}
        | {"attention_window": [WINDOW] * LAYERS},
        1,
        2048,
        windowed=True,
        peers=("eager",),
    ),
    Case("gpt2 8x128", "GPT2LMHeadModel", {"n_embd": 768, "n_layer": LAYERS, "n_head": 12}, 8, 128),
    Case("t5 4x128, 64 written", "T5ForConditionalGeneration", T5S | {"d_ff": 3072}, 4, 128, 64),
    Case(
        "t5 1.1 4x128, 64 written",
        "T5ForConditionalGeneration",
        T5S | {"d_ff": 2048, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        4,
        128,
        64,
    ),
    Case("bart 4x128, 64 written", "BartForConditionalGeneration", HALVES, 4, 128, 64),
    Case(
        "led 1x2048, 64 written",
        "LEDForConditionalGeneration",
        HALVES
        | {"max_encoder_position_embeddings": 4096, "max_decoder_position_embeddings": 1024}
        | {"attention_window": [WINDOW] * LAYERS},
        1,
        2048,
        64,
        windowed=True,
        peers=("eager",),
    ),
)


def inputs(case: Case) -> dict[str, np.ndarray]:
    """All tokens real, the first one global where there are windows. Ids start at 5: below are special ones."""
    random = np.random.default_rng(0)
    shape = (case.batch, case.length)
    arrays = {"input_ids": random.integers(5, 30000, shape), "attention_mask": np.ones(shape, np.int64)}
    if case.windowed:
        arrays["global_attention_mask"] = (np.arange(case.length) == 0).astype(np.int64)[None].repeat(case.batch, 0)
    if case.written:
        arrays["decoder_input_ids"] = random.integers(5, 30000, (case.batch, case.written))
    return arrays


def labels(case: Case) -> np.ndarray:
    """A word for each place of the logits; the loss is their mean cross-entropy."""
    return np.random.default_rng(1).integers(5, 30000, (case.batch, case.written or case.length))
