"""What the memory and the time of a training step are made of, counted from a net's sizes; no unit is measured here."""

from models.config import TransformerConfig
from models.cost import TRAINING, attention_flops, masked_lm_flops

MEMORY = ("parameters", "activations", "logits")
TIME = ("products", "attention", "activations", "parameters", "step")


def terms(
    cfg: TransformerConfig, *, rows: int, length: int, predicted: int, global_tokens: int, parameters: int
) -> dict[str, float]:
    """Of one step over `rows` rows of `length` tokens, `predicted` of each with logits over the vocabulary.

    Returns:
      products: operations of all dense products, the logits' too, forward and backward
      attention: operations of scores and weighted sums, likewise
      activations: numbers that a layer hands on, in all layers: rows x length x width x depth
      logits: numbers: rows x predicted x vocabulary
      parameters: numbers
      step: 1
    """
    forward = masked_lm_flops(cfg, length, predicted, global_tokens=global_tokens)
    pairs = attention_flops(cfg, length, global_tokens=global_tokens)
    return {
        "products": TRAINING * rows * (forward - pairs),
        "attention": TRAINING * rows * pairs,
        "activations": rows * length * cfg.width * cfg.depth,
        "logits": rows * predicted * cfg.vocab_size,
        "parameters": parameters,
        "step": 1,
    }
