"""Nets in Flax NNX: parts, encoders made of them, and heads. A net knows nothing of data, losses, files or flags."""

from models.config import LongformerConfig, TransformerConfig
from models.heads import MaskedLM, SequenceClassifier
from models.longformer import Longformer
from models.transformer import Transformer

MODELS = {
    "transformer": (TransformerConfig, Transformer),
    "longformer": (LongformerConfig, Longformer),
}

HEADS = {
    "masked_lm": MaskedLM,
    "classification": SequenceClassifier,
}

__all__ = [
    "HEADS",
    "MODELS",
    "Longformer",
    "LongformerConfig",
    "MaskedLM",
    "SequenceClassifier",
    "Transformer",
    "TransformerConfig",
]
