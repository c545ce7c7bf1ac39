"""DistilBERT (Sanh et al. 2019): BERT with half its layers, without token types and pooler."""

from collections.abc import Mapping
from typing import Any

from models.config import TransformerConfig
from models.heads import Headless, MaskedLM, SequenceClassifier, SpanFinder, TokenClassifier
from models.transformer import Transformer
from pretrained import settings
from pretrained.families.heads import classes, labels, rate
from pretrained.family import Family, Head

LAYER = "transformer.layer.*"
MODULES = {
    "encoder.embeddings.word": "embeddings.word_embeddings",
    "encoder.embeddings.position": "embeddings.position_embeddings",
    "encoder.embeddings.norm": "embeddings.LayerNorm",
    "encoder.layers.*.attention.query": f"{LAYER}.attention.q_lin",
    "encoder.layers.*.attention.key": f"{LAYER}.attention.k_lin",
    "encoder.layers.*.attention.value": f"{LAYER}.attention.v_lin",
    "encoder.layers.*.attention.output": f"{LAYER}.attention.out_lin",
    "encoder.layers.*.attention_norm": f"{LAYER}.sa_layer_norm",
    "encoder.layers.*.mlp.up": f"{LAYER}.ffn.lin1",
    "encoder.layers.*.mlp.down": f"{LAYER}.ffn.lin2",
    "encoder.layers.*.mlp_norm": f"{LAYER}.output_layer_norm",
}
SIZES = {
    "vocab_size": "vocab_size",
    "dim": "width",
    "n_layers": "depth",
    "n_heads": "heads",
    "hidden_dim": "mlp_width",
    "max_position_embeddings": "max_positions",
    "dropout": "dropout_rate",
    "attention_dropout": "attention_dropout_rate",
}


def _sizes(config: Mapping[str, Any]) -> TransformerConfig:
    settings.require(config, {"tie_word_embeddings": True})
    # With sinusoidal_pos_embds the table starts as sinusoids; in the files it is a table either way.
    own = {"norm_epsilon": 1e-12, "activation": settings.activation(config, "activation")}
    return TransformerConfig(**settings.read(config, SIZES), **own)


def _settings(cfg: TransformerConfig) -> dict[str, Any]:
    return settings.written(cfg, SIZES) | {"activation": settings.WRITTEN.get(cfg.activation), "pad_token_id": 0}


def _qa_options(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"dropout_rate": rate(config, "qa_dropout")}


DISTILBERT = Family(
    name="distilbert",
    model_type="distilbert",
    net=Transformer,
    prefix="distilbert",
    modules=MODULES,
    heads={
        "DistilBertModel": Head(Headless),
        "DistilBertForMaskedLM": Head(
            MaskedLM,
            {"head": "vocab_projector", "head.dense": "vocab_transform", "head.norm": "vocab_layer_norm"},
            {"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
        ),
        "DistilBertForSequenceClassification": Head(
            SequenceClassifier,
            {"head.pool": "pre_classifier", "head.output": "classifier"},
            options=classes("seq_classif_dropout", kind="relu"),
            told=labels("seq_classif_dropout"),
        ),
        "DistilBertForTokenClassification": Head(
            TokenClassifier, {"output": "classifier"}, options=classes("dropout"), told=labels("")
        ),
        "DistilBertForQuestionAnswering": Head(
            SpanFinder, {"output": "qa_outputs"}, options=_qa_options, told=lambda model: {"qa_dropout": model.rate}
        ),
    },
    left_out=(r"(distilbert\.)?embeddings\.position_ids",),
    sizes=_sizes,
    settings=_settings,
)
