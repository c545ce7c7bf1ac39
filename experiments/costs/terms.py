"""What the memory and the time of a training step are made of, counted from a net's sizes; no unit is measured here."""

from models.config import LongformerConfig, TransformerConfig
from models.cost import TRAINING, attention_flops, masked_lm_flops

LAYERS = ("parameters", "activations", "logits")  # memory between the forward pass and the backward one
UPDATE = {"parameters": 16.0}  # bytes while the optimizer works: the number, its gradient and two moments, float32
TIME = ("products", "attention", "band", "activations", "logits", "parameters", "step")
BLOCK = 128  # queries that the window's program takes at a time (ops/sliding_window.py)


def terms(
    cfg: TransformerConfig, *, rows: int, length: int, predicted: int, global_tokens: int, parameters: int
) -> dict[str, float]:
    """Of one step over `rows` rows of `length` tokens, `predicted` of each with logits over the vocabulary.

    Returns:
      products: operations of all dense products, the logits' too, forward and backward
      attention: operations of scores and weighted sums where all tokens see all, likewise; else 0
      band: those of windows, of all the keys that a block of queries spans; else 0
      activations: numbers that a layer hands on, in all layers: rows x length x width x depth
      logits: numbers: rows x predicted x vocabulary
      parameters: numbers
      step: 1
    """
    forward = masked_lm_flops(cfg, length, predicted, global_tokens=global_tokens)
    needed = attention_flops(cfg, length, global_tokens=global_tokens)
    has_windows = isinstance(cfg, LongformerConfig)
    return {
        "products": TRAINING * rows * (forward - needed),
        "attention": 0 if has_windows else TRAINING * rows * needed,
        "band": TRAINING * rows * _spanned(cfg, length) if has_windows else 0,
        "activations": rows * length * cfg.width * cfg.depth,
        "logits": rows * predicted * cfg.vocab_size,
        "parameters": parameters,
        "step": 1,
    }


def _spanned(cfg: LongformerConfig, length: int) -> int:
    sides = 1 if cfg.causal else 2
    keys = sum(min(length, BLOCK + sides * cfg.window(layer).reach) for layer in range(cfg.depth))
    return 2 * 2 * length * keys * cfg.heads * cfg.head_width
