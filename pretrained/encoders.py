"""BERT, RoBERTa and the Longformer: one table of names and what sets them apart."""

from collections.abc import Mapping
from typing import Any

from errors import InputError
from models.config import LongformerConfig, TransformerConfig
from models.heads import MaskedLM, Pooled, SequenceClassifier, SpanFinder, TokenClassifier
from models.longformer import Longformer
from models.transformer import Transformer
from pretrained.family import Family, Head

BODY = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.token_type": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.*.attention.query": "encoder.layer.*.attention.self.query",
    "layers.*.attention.key": "encoder.layer.*.attention.self.key",
    "layers.*.attention.value": "encoder.layer.*.attention.self.value",
    "layers.*.attention.output": "encoder.layer.*.attention.output.dense",
    "layers.*.attention_norm": "encoder.layer.*.attention.output.LayerNorm",
    "layers.*.mlp.up": "encoder.layer.*.intermediate.dense",
    "layers.*.mlp.down": "encoder.layer.*.output.dense",
    "layers.*.mlp_norm": "encoder.layer.*.output.LayerNorm",
}
GLOBAL = {
    f"layers.*.attention.{name}_global": f"encoder.layer.*.attention.self.{name}_global"
    for name in ("query", "key", "value")
}

# What config.json calls the sizes that all three share.
SHARED = {
    "vocab_size": "vocab_size",
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "intermediate_size": "mlp_width",
    "max_position_embeddings": "max_positions",
    "type_vocab_size": "token_types",
    "hidden_dropout_prob": "dropout_rate",
    "attention_probs_dropout_prob": "attention_dropout_rate",
    "layer_norm_eps": "norm_epsilon",
}
REAL = ("dropout_rate", "attention_dropout_rate", "norm_epsilon")
ONLY = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
"""Settings that the nets here have one value of."""


def shared_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes by our names.

    Raises:
      InputError: a size is missing, or a setting asks for what the net here does not do.
    """
    if missing := [name for name in SHARED if name not in config]:
        raise InputError(f"config.json lacks {', '.join(missing)}")
    for name, ours in SHARED.items():
        kind, told = ((int, float), "a number") if ours in REAL else (int, "a whole number")
        if isinstance(config[name], bool) or not isinstance(config[name], kind):
            raise InputError(f"config.json: {name} must be {told}, got {config[name]!r}")
    for name, value in ONLY.items():
        if config.get(name, value) != value:
            raise InputError(f"config.json: {name}={config[name]!r} is not supported, only {value!r}")
    return {ours: float(config[theirs]) if ours in REAL else config[theirs] for theirs, ours in SHARED.items()}


def shared_settings(cfg: TransformerConfig) -> dict[str, Any]:
    """config.json's part.

    Raises:
      InputError: the net has what these families do not.
    """
    fixed = {"positions": "learned", "norm": "post", "activation": "gelu", "causal": False, "lora_rank": 0}
    for name, value in fixed.items():
        if getattr(cfg, name) != value:
            raise InputError(
                f"a model with {name}={getattr(cfg, name)!r} is of none of the published families: theirs is {value!r}"
            )
    return {theirs: getattr(cfg, ours) for theirs, ours in SHARED.items()} | {"hidden_act": "gelu"}


def _bert_sizes(config: Mapping[str, Any]) -> TransformerConfig:
    return TransformerConfig(**shared_sizes(config))


def _bert_settings(cfg: TransformerConfig) -> dict[str, Any]:
    return shared_settings(cfg) | {"pad_token_id": 0}


def _counted_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """RoBERTa numbers real tokens from the id of its padding token on."""
    pad = config.get("pad_token_id", 1)
    if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
        raise InputError(f"config.json: pad_token_id must be a token's id, got {pad!r}")
    return {"padding_place": pad}


def _roberta_sizes(config: Mapping[str, Any]) -> TransformerConfig:
    return TransformerConfig(**shared_sizes(config), **_counted_places(config))


def _roberta_settings(cfg: TransformerConfig) -> dict[str, Any]:
    return shared_settings(cfg) | {"pad_token_id": cfg.padding_place}


def _longformer_sizes(config: Mapping[str, Any]) -> LongformerConfig:
    both_sides = config.get("attention_window", 512)
    widths = both_sides if isinstance(both_sides, list) else [both_sides]
    if not widths or any(isinstance(w, bool) or not isinstance(w, int) or w < 2 or w % 2 for w in widths):
        raise InputError(f"config.json: attention_window must be even numbers of tokens, got {both_sides!r}")
    windows = tuple(width // 2 for width in widths)
    return LongformerConfig(**shared_sizes(config), **_counted_places(config), windows=windows)


def _longformer_settings(cfg: LongformerConfig) -> dict[str, Any]:
    if any(isinstance(window, tuple) for window in cfg.windows) or set(cfg.dilations) != {1}:
        raise InputError("transformers' Longformer has neither a window for each head nor dilation: it cannot be saved")
    return _roberta_settings(cfg) | {"attention_window": [2 * window for window in cfg.windows]}


def _as_roberta(name: str, **own: Any) -> Family:
    """RoBERTa and what took over its heads."""
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
            counts_classes=True,
        ),
        f"{name}ForTokenClassification": Head(TokenClassifier, {"output": "classifier"}, counts_classes=True),
        f"{name}ForQuestionAnswering": Head(SpanFinder, {"output": "qa_outputs"}),
    }
    left_out = (rf"{prefix}\.pooler\..*", rf"({prefix}\.)?embeddings\.position_ids")
    return Family(model_type=prefix, prefix=prefix, heads=heads, left_out=left_out, counts_places=True, **own)


BERT = Family(
    model_type="bert",
    net=Transformer,
    prefix="bert",
    modules=BODY,
    heads={
        "BertModel": Head(Pooled, {"head.pool": "pooler.dense"}),
        "BertForMaskedLM": Head(
            MaskedLM,
            {
                "head": "cls.predictions",
                "head.dense": "cls.predictions.transform.dense",
                "head.norm": "cls.predictions.transform.LayerNorm",
            },
            {
                "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
                "cls.predictions.decoder.bias": "cls.predictions.bias",
            },
        ),
        "BertForSequenceClassification": Head(
            SequenceClassifier,
            {"head.pool": "bert.pooler.dense", "head.output": "classifier"},
            counts_classes=True,
        ),
        "BertForTokenClassification": Head(TokenClassifier, {"output": "classifier"}, counts_classes=True),
        "BertForQuestionAnswering": Head(SpanFinder, {"output": "qa_outputs"}),
    },
    left_out=(r"bert\.pooler\..*", r"cls\.seq_relationship\..*", r"(bert\.)?embeddings\.position_ids"),
    counts_places=False,
    sizes=_bert_sizes,
    settings=_bert_settings,
)

ROBERTA = _as_roberta("Roberta", net=Transformer, modules=BODY, sizes=_roberta_sizes, settings=_roberta_settings)

LONGFORMER = _as_roberta(
    "Longformer", net=Longformer, modules=BODY | GLOBAL, sizes=_longformer_sizes, settings=_longformer_settings
)
