"""RoBERTa (Liu et al. 2019), and the Longformer (Beltagy et al. 2020), which took over its heads."""

from collections.abc import Mapping
from typing import Any

from errors import InputError
from models.config import LongformerConfig, TransformerConfig
from models.heads import MaskedLM, Pooled, SequenceClassifier
from models.longformer import Longformer
from models.transformer import Transformer
from pretrained import settings
from pretrained.families.bert import BODY, ONLY, RATES, SIZES
from pretrained.families.heads import classes, labels, token_heads
from pretrained.family import Family, Head

GLOBAL = {
    f"encoder.layers.*.attention.{name}_global": f"encoder.layer.*.attention.self.{name}_global"
    for name in ("query", "key", "value")
}


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Real tokens are numbered from the id of the padding token on."""
    settings.require(config, ONLY | {"hidden_act": "gelu"})  # the head's is gelu whatever the net's is
    return settings.read(config, SIZES) | {"padding_place": settings.pad_token_id(config, 1)}


def _roberta_sizes(config: Mapping[str, Any]) -> TransformerConfig:
    return TransformerConfig(**_shared(config))


def _roberta_settings(cfg: TransformerConfig) -> dict[str, Any]:
    return settings.written(cfg, SIZES) | {"hidden_act": "gelu", "pad_token_id": cfg.padding_place}


def _longformer_sizes(config: Mapping[str, Any]) -> LongformerConfig:
    return LongformerConfig(**_shared(config), windows=one_sided(config))


def one_sided(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Tokens to each side, from the windows of both sides that transformers' Longformer and LED have."""
    both_sides = config.get("attention_window", 512)
    widths = both_sides if isinstance(both_sides, list) else [both_sides]
    if not widths or any(isinstance(w, bool) or not isinstance(w, int) or not 2 <= w < 2**31 or w % 2 for w in widths):
        raise InputError(f"config.json: attention_window must be even numbers of tokens, got {both_sides!r}")
    return tuple(width // 2 for width in widths)


def both_sides(cfg: LongformerConfig) -> list[int]:
    """The way back. Raises InputError for windows that transformers does not have."""
    if any(isinstance(window, tuple) for window in cfg.windows) or set(cfg.dilations) != {1}:
        raise InputError("transformers' Longformer has neither a window for each head nor dilation: it cannot be saved")
    return [2 * window for window in cfg.windows]


def _longformer_settings(cfg: LongformerConfig) -> dict[str, Any]:
    return {"attention_window": both_sides(cfg)} | _roberta_settings(cfg)


def _as_roberta(name: str, **own: Any) -> Family:
    prefix = name.lower()
    heads = {
        f"{name}Model": Head(Pooled, {"head.pool": "pooler.dense"}),
        f"{name}ForMaskedLM": Head(
            MaskedLM,
            {"head": "lm_head", "head.dense": "lm_head.dense", "head.norm": "lm_head.layer_norm"},
            {
                "lm_head.decoder.weight": f"{prefix}.embeddings.word_embeddings.weight",
                "lm_head.decoder.bias": "lm_head.bias",
            },
        ),
        f"{name}ForSequenceClassification": Head(
            SequenceClassifier,
            {"head.pool": "classifier.dense", "head.output": "classifier.out_proj"},
            options=classes(*RATES),
            told=labels(),
        ),
    } | token_heads(name, *RATES)
    left_out = (rf"{prefix}\.pooler\..*", rf"({prefix}\.)?embeddings\.position_ids")
    fills = ("token_type", "padding_place")
    return Family(name=prefix, model_type=prefix, prefix=prefix, heads=heads, left_out=left_out, fills=fills, **own)


ROBERTA = _as_roberta("Roberta", net=Transformer, modules=BODY, sizes=_roberta_sizes, settings=_roberta_settings)

LONGFORMER = _as_roberta(
    "Longformer", net=Longformer, modules=BODY | GLOBAL, sizes=_longformer_sizes, settings=_longformer_settings
)
