"""What a net costs, from its sizes alone: floating-point operations of its matrix products.

A product of [m k] and [k n] counts 2 m k n. Norms, softmax, activations and dropout are left out, as is usual when a
rate is set against a chip's peak. Attention counts the pairs that it needs; blocks of a band compute some more.
"""

from models.config import AlternatingConfig, EncoderDecoderConfig, LongformerConfig, TransformerConfig
from ops.window import Window, windows_of_heads

TRAINING = 3  # a training step costs three forward passes: the backward pass has two products for each one


def encoder_flops(cfg: TransformerConfig, length: int, *, global_tokens: int = 0) -> int:
    """Operations of one forward pass over one row of `length` tokens with `global_tokens` slots for global ones.

    The slots count whether used or not: `max_global_tokens` where the net is given a global_attention_mask, else 0.
    """
    dense = 2 * length * (cfg.depth * _mlp_matrices(cfg) * cfg.width * cfg.mlp_width + cfg.embedding_width * cfg.width)
    dense += cfg.depth * _projections(cfg, 4 * length)
    return dense + attention_flops(cfg, length, global_tokens=global_tokens)


def attention_flops(cfg: TransformerConfig, length: int, *, global_tokens: int = 0) -> int:
    """That part of `encoder_flops` which pairs of tokens cost, with what the global tokens add."""
    seen = sum(_layer_flops(cfg, length, layer) for layer in range(cfg.depth))
    if isinstance(cfg, LongformerConfig):
        seen += cfg.depth * _global_flops(cfg, length, global_tokens)
    return seen


def masked_lm_flops(cfg: TransformerConfig, length: int, predicted: int, *, global_tokens: int = 0) -> int:
    """As `encoder_flops`, with logits at `predicted` tokens of the row."""
    head = 2 * predicted * cfg.table_width * (cfg.width + cfg.vocab_size)
    return encoder_flops(cfg, length, global_tokens=global_tokens) + head


def step_flops(
    cfg: TransformerConfig | EncoderDecoderConfig, *, rows: int, length: int, predicted: int, global_tokens: bool
) -> int:
    """Operations of one training step over `rows` rows, whether a net recomputes some or not.

    `predicted` places of a row have logits over the vocabulary: with a decoder, all that it writes. A classifier's head
    is too small to count.
    """
    reads = cfg.encoder if isinstance(cfg, EncoderDecoderConfig) else cfg
    slots = reads.max_global_tokens if global_tokens and isinstance(reads, LongformerConfig) else 0
    if isinstance(cfg, EncoderDecoderConfig):
        forward = encoder_flops(reads, length, global_tokens=slots) + decoder_flops(cfg.decoder, length, predicted)
    elif isinstance(cfg, TransformerConfig) and cfg.causal:
        forward = encoder_flops(cfg, length) + 2 * predicted * cfg.table_width * cfg.vocab_size
    elif predicted:
        forward = masked_lm_flops(cfg, length, predicted, global_tokens=slots)
    else:
        forward = encoder_flops(cfg, length, global_tokens=slots)
    return TRAINING * rows * forward


def decoder_flops(cfg: TransformerConfig, read: int, written: int) -> int:
    """Operations of one forward pass of a decoder over `written` tokens, logits too, after `read` ones."""
    own = encoder_flops(cfg, written)
    cross = cfg.depth * (_projections(cfg, 2 * written + 2 * read) + _pairs(cfg, read * written))
    return own + cross + 2 * written * cfg.table_width * cfg.vocab_size


def band_pairs(length: int, window: int) -> int:
    """Pairs of tokens at most `window` apart in a row of `length`, each token with itself among them."""
    reach = min(window, length - 1)
    return length * (2 * reach + 1) - reach * (reach + 1)  # the two ends lack reach * (reach + 1) / 2 pairs each


def _layer_flops(cfg: TransformerConfig, length: int, layer: int) -> int:
    """Of the scores and sums of one layer, but for global tokens."""
    if isinstance(cfg, LongformerConfig):
        return _window_flops(cfg, length, cfg.window(layer))
    if isinstance(cfg, AlternatingConfig) and cfg.windows[layer]:
        return _window_flops(cfg, length, Window(cfg.windows[layer], causal=cfg.causal))
    return _pairs(cfg, length * (length + 1) // 2 if cfg.causal else length**2)


def _window_flops(cfg: TransformerConfig, length: int, window: Window) -> int:
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


def _mlp_matrices(cfg: TransformerConfig) -> int:
    return 3 if cfg.activation.startswith("geglu") else 2


def _projections(cfg: TransformerConfig, vectors: int) -> int:
    return 2 * vectors * cfg.width * cfg.heads * cfg.head_width


def _pairs(cfg: TransformerConfig, pairs: int) -> int:
    """A score and a share of a value for each pair and head."""
    return 2 * 2 * pairs * cfg.heads * cfg.head_width
