"""What a net costs, from its sizes alone: parameters, and floating-point operations of its matrix products.

A product of [m k] and [k n] counts 2 m k n. Norms, softmax, activations and dropout are left out, as is usual when a
rate is set against a chip's peak. Attention counts the pairs that it needs; blocks of a band compute some more.
"""

from functools import partial

from models.config import LongformerConfig, TransformerConfig
from ops.window import Window, windows_of_heads

TRAINING = 3  # a training step costs three forward passes: the backward pass has two products for each one


def encoder_parameters(cfg: TransformerConfig) -> int:
    """Numbers in the encoder: its tables, blocks and norms."""
    D, norm = cfg.width, 2 * cfg.width
    rows = cfg.vocab_size + cfg.token_types + (cfg.max_positions if cfg.positions == "learned" else 0)
    projections = 7 if isinstance(cfg, LongformerConfig) else 4
    block = projections * (D * D + D) + _mlp_matrices(cfg) * D * cfg.mlp_width + _mlp_biases(cfg) + 2 * norm
    block += _lora_numbers(cfg)
    return rows * D + cfg.depth * block + norm  # post: the embeddings' norm; pre: the last one


def masked_lm_parameters(cfg: TransformerConfig) -> int:
    """Numbers in the encoder with its masked-LM head; the tied table counts once."""
    return encoder_parameters(cfg) + cfg.width**2 + cfg.width + 2 * cfg.width + cfg.vocab_size


def classifier_parameters(cfg: TransformerConfig, classes: int) -> int:
    """Numbers in the encoder with its classification head."""
    return encoder_parameters(cfg) + (cfg.width + 1) * (cfg.width + classes)


def encoder_flops(cfg: TransformerConfig, length: int, *, global_tokens: int = 0) -> int:
    """Operations of one forward pass over one row of `length` tokens with `global_tokens` slots for global ones.

    The slots count whether used or not: `max_global_tokens` where the net is given a global_attention_mask, else 0.
    """
    dense = 2 * length * cfg.depth * _mlp_matrices(cfg) * cfg.width * cfg.mlp_width
    if not isinstance(cfg, LongformerConfig):
        pairs = length * (length + 1) // 2 if cfg.causal else length**2
        return dense + cfg.depth * (_projections(cfg, 4 * length) + _pairs(cfg, pairs))
    near = sum(_window_flops(cfg, length, cfg.window(layer)) for layer in range(cfg.depth))
    return dense + near + cfg.depth * (_projections(cfg, 4 * length) + _global_flops(cfg, length, global_tokens))


def masked_lm_flops(cfg: TransformerConfig, length: int, predicted: int, *, global_tokens: int = 0) -> int:
    """As `encoder_flops`, with logits at `predicted` tokens of the row."""
    head = 2 * predicted * cfg.width * (cfg.width + cfg.vocab_size)
    return encoder_flops(cfg, length, global_tokens=global_tokens) + head


def step_flops(cfg: TransformerConfig, *, rows: int, length: int, predicted: int, global_tokens: bool) -> int:
    """Operations of one training step over `rows` rows, whether a net recomputes some or not.

    `predicted` places of a row have logits over the vocabulary; a classifier's head is too small to count.
    """
    slots = cfg.max_global_tokens if global_tokens and isinstance(cfg, LongformerConfig) else 0
    count = encoder_flops if not predicted else partial(masked_lm_flops, predicted=predicted)
    return TRAINING * rows * count(cfg, length, global_tokens=slots)


def band_pairs(length: int, window: int) -> int:
    """Pairs of tokens at most `window` apart in a row of `length`, each token with itself among them."""
    reach = min(window, length - 1)
    return length * (2 * reach + 1) - reach * (reach + 1)  # the two ends lack reach * (reach + 1) / 2 pairs each


def _window_flops(cfg: LongformerConfig, length: int, window: Window) -> int:
    """Of all heads of a layer. With dilation d each of d rows of every d-th token has a window without gaps."""
    total = 0
    for width, d, heads in windows_of_heads(window, cfg.heads):
        rows = [(length + d - 1 - first) // d for first in range(min(d, length))]
        pairs = sum(band_pairs(row, width) for row in rows)
        seen = (pairs + length) // 2 if window.causal else pairs
        total += 2 * 2 * seen * cfg.head_width * len(heads)
    return total


def _global_flops(cfg: LongformerConfig, length: int, slots: int) -> int:
    """All see the global tokens, and these see all: by a key and a value of each token, or without (global_queries)."""
    if not slots:
        return 0
    seen = _pairs(cfg, length * slots)
    if slots < cfg.head_width and cfg.positions != "rotary":
        return seen + _projections(cfg, 3 * slots) + _pairs(cfg, length * slots * cfg.heads)
    return seen + _projections(cfg, 2 * length + slots) + _pairs(cfg, length * slots)


def _lora_numbers(cfg: TransformerConfig) -> int:
    D, F = cfg.width, cfg.mlp_width
    sides = {"up": D + F, "gate": D + F if cfg.activation == "geglu" else 0, "down": D + F}
    wide = isinstance(cfg, LongformerConfig)
    sides |= dict.fromkeys(("query", "key", "value", "output"), 2 * D)
    sides |= {f"{name}_global": 2 * D if wide else 0 for name in ("query", "key", "value")}
    return cfg.lora_rank * sum(sides[name] for name in set(cfg.lora_maps))


def _mlp_matrices(cfg: TransformerConfig) -> int:
    return 3 if cfg.activation == "geglu" else 2


def _mlp_biases(cfg: TransformerConfig) -> int:
    return (_mlp_matrices(cfg) - 1) * cfg.mlp_width + cfg.width


def _projections(cfg: TransformerConfig, vectors: int) -> int:
    return 2 * vectors * cfg.width**2


def _pairs(cfg: TransformerConfig, pairs: int) -> int:
    """A score and a share of a value for each pair and head."""
    return 2 * 2 * pairs * cfg.width
