"""Named model sizes that recipes share, so that a fine-tuning recipe describes the same net as the pretraining one."""

from ml_collections import ConfigDict

# Nets that learn from few tokens: pre-norm takes a high rate, rotary positions show near words from the first step.
QUICK = {"norm": "pre", "positions": "rotary", "dropout_rate": 0.0, "attention_dropout_rate": 0.0}

SIZES = {
    "tiny": {"width": 128, "depth": 4, "heads": 4, "mlp_width": 512} | QUICK,
    "small": {"width": 256, "depth": 6, "heads": 4, "mlp_width": 1024} | QUICK,
    "base": {
        "width": 768,
        "depth": 12,
        "heads": 12,
        "mlp_width": 3072,
    },  # Devlin et al. 2018, section 3; Liu et al. 2019
    "large": {"width": 1024, "depth": 24, "heads": 16, "mlp_width": 4096},  # likewise
}


def growing_windows(depth: int, top: int) -> tuple[int, ...]:
    """Widths that double from the bottom layers to `top` in the top ones, an equal share of layers each.

    There are five widths, from `top` / 16, or as many as there are layers. So do the language models of Beltagy et al.
    2020, section 4.1: low layers gather what is near, high ones the rest.
    """
    widths = min(5, depth)
    return tuple(max(1, top >> (widths - 1 - widths * layer // depth)) for layer in range(depth))


def alternating_windows(depth: int, width: int) -> tuple[int, ...]:
    """Every third layer, from the bottom on, sees everything, the others `width` tokens (Warner et al. 2024, 2.1.2)."""
    return tuple(width if layer % 3 else 0 for layer in range(depth))


def set_size(config: ConfigDict, size: str, **more) -> None:
    """Gives `config.model` the sizes of that name, and any other of its keys."""
    config.model.update(SIZES[size] | more)
