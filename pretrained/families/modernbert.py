"""ModernBERT (Warner et al. 2024): pre-norm without biases, rotary positions, windows in most of its layers."""

from collections.abc import Mapping
from typing import Any

from errors import InputError
from models.alternating import Alternating
from models.config import AlternatingConfig
from models.heads import Headless, MaskedLM, SequenceClassifier, SpanFinder, TokenClassifier
from pretrained import settings
from pretrained.families.bert import SHAPES
from pretrained.families.heads import classes, labels, rate
from pretrained.family import Family, Head, Part

MODULES = {
    "encoder.embeddings.word": "embeddings.tok_embeddings",
    "encoder.embeddings.norm": "embeddings.norm",
    "encoder.layers.*.attention_norm": "layers.*.attn_norm",
    "encoder.layers.*.attention.query": Part("layers.*.attn.Wqkv", 0, 3),
    "encoder.layers.*.attention.key": Part("layers.*.attn.Wqkv", 1, 3),
    "encoder.layers.*.attention.value": Part("layers.*.attn.Wqkv", 2, 3),
    "encoder.layers.*.attention.output": "layers.*.attn.Wo",
    "encoder.layers.*.mlp_norm": "layers.*.mlp_norm",
    "encoder.layers.*.mlp.gate": Part("layers.*.mlp.Wi", 0, 2),
    "encoder.layers.*.mlp.up": Part("layers.*.mlp.Wi", 1, 2),
    "encoder.layers.*.mlp.down": "layers.*.mlp.Wo",
    "encoder.final_norm": "final_norm",
}
SIZES = SHAPES | {
    "mlp_dropout": "dropout_rate",
    "attention_dropout": "attention_dropout_rate",
    "norm_eps": "norm_epsilon",
}
ONLY = {
    "hidden_activation": "gelu",
    "classifier_activation": "gelu",
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
    "decoder_bias": True,
    "tie_word_embeddings": True,
}
FIXED = {"positions": "rotary", "norm": "pre", "embedding_norm": True, "biases": False, "activation": "geglu"}
FULL, NEAR = "full_attention", "sliding_attention"
HIDDEN = {"hidden.dense": "head.dense", "hidden.norm": "head.norm", "output": "classifier"}
RATES = ("classifier_dropout",)


def _sizes(config: Mapping[str, Any]) -> AlternatingConfig:
    settings.require(config, ONLY)
    settings.one_rate(config, "mlp_dropout", "embedding_dropout")
    sizes = settings.read({"mlp_dropout": 0.0, "attention_dropout": 0.0, "norm_eps": 1e-5} | config, SIZES)
    every = _at_least(1, {"global_attn_every_n_layers": 3} | config, "global_attn_every_n_layers")
    kinds = config.get("layer_types") or [NEAR if layer % every else FULL for layer in range(sizes["depth"])]
    if not isinstance(kinds, list) or len(kinds) != sizes["depth"] or any(kind not in (FULL, NEAR) for kind in kinds):
        raise InputError(f"config.json: layer_types must be {FULL} or {NEAR} for each layer, got {kinds!r}")
    near = _at_least(2, {"local_attention": 128} | config, "local_attention") // 2
    bases = {"rotary_base": _base(config, FULL, "global_rope_theta", 160_000.0)}
    bases |= {"window_rotary_base": _base(config, NEAR, "local_rope_theta", 10_000.0)}
    windows = tuple(near if kind == NEAR else 0 for kind in kinds)
    return AlternatingConfig(**sizes, **FIXED, **bases, windows=windows)


def _at_least(least: int, config: Mapping[str, Any], name: str) -> int:
    if settings.number(config, name) < least:
        raise InputError(f"config.json: {name} must be at least {least}, got {config[name]}")
    return config[name]


def _base(config: Mapping[str, Any], kind: str, older: str, default: float) -> float:
    """Of rotary positions, as transformers 5 writes it or as older ones did."""
    told = config.get("rope_parameters") or {}
    told = told.get(kind) or {} if isinstance(told, dict) else {}
    if not isinstance(told, dict):
        raise InputError(f"config.json: rope_parameters of {kind} must be a JSON object, got {told!r}")
    if told.get("rope_type", "default") != "default" or config.get("rope_scaling"):
        raise InputError(f"config.json: rotary positions of {kind} are scaled, which is not supported")
    return float(settings.number({older: told.get("rope_theta", config.get(older, default))}, older, real=True))


def _settings(cfg: AlternatingConfig) -> dict[str, Any]:
    near = sorted({window for window in cfg.windows if window})
    if len(near) > 1:
        raise InputError(f"ModernBERT's windows are of one width, got {near}: it cannot be saved")
    rope = {FULL: cfg.rotary_base, NEAR: cfg.window_rotary_base}
    own = {
        "layer_types": [NEAR if window else FULL for window in cfg.windows],
        "local_attention": 2 * near[0] if near else 128,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in rope.items()},
        "embedding_dropout": cfg.dropout_rate,
        "pad_token_id": 0,
    }
    return settings.written(cfg, SIZES) | ONLY | own


def _pooled(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"cls": "first", "mean": "mean"}
    return classes(*RATES)(config, stored) | {"pooling": settings.word(config, "classifier_pooling", kinds, "cls")}


def _pooled_labels(model: SequenceClassifier) -> dict[str, Any]:
    return labels()(model) | {"classifier_pooling": "cls" if model.pooling == "first" else model.pooling}


def _span_options(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"dropout_rate": rate(config, *RATES)}


MODERNBERT = Family(
    name="modernbert",
    model_type="modernbert",
    net=Alternating,
    prefix="model",
    modules=MODULES,
    heads={
        "ModernBertModel": Head(Headless),
        "ModernBertForMaskedLM": Head(
            MaskedLM,
            {"head": "decoder", "head.dense": "head.dense", "head.norm": "head.norm"},
            {"decoder.weight": "model.embeddings.tok_embeddings.weight"},
        ),
        "ModernBertForSequenceClassification": Head(
            SequenceClassifier,
            {"head.hidden.dense": "head.dense", "head.hidden.norm": "head.norm", "head.output": "classifier"},
            options=_pooled,
            told=_pooled_labels,
        ),
        "ModernBertForTokenClassification": Head(TokenClassifier, HIDDEN, options=classes(*RATES), told=labels()),
        "ModernBertForQuestionAnswering": Head(
            SpanFinder, HIDDEN, options=_span_options, told=lambda model: {"classifier_dropout": model.rate}
        ),
    },
    sizes=_sizes,
    settings=_settings,
)
