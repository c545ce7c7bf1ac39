"""Nets in Flax NNX: parts, encoders made of them, and heads. A net knows nothing of data, losses, files or flags."""

from models.alternating import Alternating
from models.config import AlternatingConfig, LongformerConfig, TransformerConfig
from models.coreference import CoreferenceModel
from models.dual_encoder import DualEncoder
from models.heads import MaskedLM, SequenceClassifier, SpanFinder, TokenClassifier
from models.longformer import Longformer
from models.transformer import Transformer
from models.writers import CausalLM, Generator

MODELS = {
    "transformer": (TransformerConfig, Transformer),
    "longformer": (LongformerConfig, Longformer),
    "alternating": (AlternatingConfig, Alternating),
}

HEADS = {
    "masked_lm": MaskedLM,
    "causal_lm": CausalLM,
    "span_corruption": Generator,
    "denoising": Generator,
    "translation": Generator,
    "summarisation": Generator,
    "classification": SequenceClassifier,
    "regression": SequenceClassifier,
    "zero_shot": SequenceClassifier,
    "multiple_choice": SequenceClassifier,
    "matching": DualEncoder,
    "candidates": TokenClassifier,
    "semantic_roles": TokenClassifier,
    "question_answering": SpanFinder,
    "multi_hop": TokenClassifier,
    "coreference": CoreferenceModel,
}

__all__ = [
    "HEADS",
    "MODELS",
    "Alternating",
    "AlternatingConfig",
    "CausalLM",
    "CoreferenceModel",
    "DualEncoder",
    "Generator",
    "Longformer",
    "LongformerConfig",
    "MaskedLM",
    "SequenceClassifier",
    "SpanFinder",
    "TokenClassifier",
    "Transformer",
    "TransformerConfig",
]
