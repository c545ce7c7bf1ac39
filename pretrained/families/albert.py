"""ALBERT (Lan et al. 2020): narrow tables, and layers that share their weights."""

from collections.abc import Mapping
from typing import Any

from errors import InputError
from models.config import TransformerConfig
from models.heads import MaskedLM, Pooled, SequenceClassifier
from models.transformer import Transformer
from pretrained import settings
from pretrained.families.bert import ONLY, SIZES, TABLES
from pretrained.families.heads import classes, labels, token_heads
from pretrained.family import Family, Head

LAYER = "encoder.albert_layer_groups.*.albert_layers.0"
MODULES = TABLES | {
    "encoder.embeddings.widen": "encoder.embedding_hidden_mapping_in",
    "encoder.layers.*.attention.query": f"{LAYER}.attention.query",
    "encoder.layers.*.attention.key": f"{LAYER}.attention.key",
    "encoder.layers.*.attention.value": f"{LAYER}.attention.value",
    "encoder.layers.*.attention.output": f"{LAYER}.attention.dense",
    "encoder.layers.*.attention_norm": f"{LAYER}.attention.LayerNorm",
    "encoder.layers.*.mlp.up": f"{LAYER}.ffn",
    "encoder.layers.*.mlp.down": f"{LAYER}.ffn_output",
    "encoder.layers.*.mlp_norm": f"{LAYER}.full_layer_layer_norm",
}
RATES = ("classifier_dropout_prob",)


def _sizes(config: Mapping[str, Any]) -> TransformerConfig:
    settings.require(config, ONLY | {"inner_group_num": 1})
    sizes = settings.read(config, SIZES | {"embedding_size": "embedding_width"})
    if sizes["embedding_width"] < 1:
        raise InputError(f"config.json: embedding_size must be at least 1, got {sizes['embedding_width']}")
    groups = settings.number({"num_hidden_groups": 1} | config, "num_hidden_groups")
    if not 1 <= groups <= sizes["depth"]:
        raise InputError(f"config.json: num_hidden_groups must be from 1 to num_hidden_layers, got {groups}")
    order = tuple(int(turn / (sizes["depth"] / groups)) for turn in range(sizes["depth"]))
    activation = settings.activation(config, "hidden_act", "gelu_new")
    return TransformerConfig(**sizes, layer_order=order, activation=activation)


def _settings(cfg: TransformerConfig) -> dict[str, Any]:
    own = {"num_hidden_groups": cfg.distinct_layers, "inner_group_num": 1, "embedding_size": cfg.embedding_width}
    own |= {"hidden_act": settings.WRITTEN.get(cfg.activation), "pad_token_id": 0}
    return settings.written(cfg, SIZES) | own


ALBERT = Family(
    name="albert",
    model_type="albert",
    net=Transformer,
    prefix="albert",
    modules=MODULES,
    heads={
        "AlbertModel": Head(Pooled, {"head.pool": "pooler"}),
        "AlbertForMaskedLM": Head(
            MaskedLM,
            {"head": "predictions", "head.dense": "predictions.dense", "head.norm": "predictions.LayerNorm"},
            {
                "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
                "predictions.decoder.bias": "predictions.bias",
            },
        ),
        "AlbertForSequenceClassification": Head(
            SequenceClassifier,
            {"head.pool": "albert.pooler", "head.output": "classifier"},
            options=classes(*RATES),
            told=labels(*RATES),
        ),
    }
    | token_heads("Albert", *RATES, rate_name=RATES[0]),
    left_out=(r"albert\.pooler\..*", r"sop_classifier\..*", r"(albert\.)?embeddings\.position_ids"),
    sizes=_sizes,
    settings=_settings,
    fills=("token_type",),
)
