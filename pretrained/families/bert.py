"""BERT (Devlin et al. 2019)."""

from collections.abc import Mapping
from typing import Any

from models.config import TransformerConfig
from models.heads import MaskedLM, Pooled, SequenceClassifier
from models.transformer import Transformer
from pretrained import settings
from pretrained.families.heads import classes, labels, token_heads
from pretrained.family import Family, Head

TABLES = {
    "encoder.embeddings.word": "embeddings.word_embeddings",
    "encoder.embeddings.position": "embeddings.position_embeddings",
    "encoder.embeddings.token_type": "embeddings.token_type_embeddings",
    "encoder.embeddings.norm": "embeddings.LayerNorm",
}
BODY = TABLES | {
    "encoder.layers.*.attention.query": "encoder.layer.*.attention.self.query",
    "encoder.layers.*.attention.key": "encoder.layer.*.attention.self.key",
    "encoder.layers.*.attention.value": "encoder.layer.*.attention.self.value",
    "encoder.layers.*.attention.output": "encoder.layer.*.attention.output.dense",
    "encoder.layers.*.attention_norm": "encoder.layer.*.attention.output.LayerNorm",
    "encoder.layers.*.mlp.up": "encoder.layer.*.intermediate.dense",
    "encoder.layers.*.mlp.down": "encoder.layer.*.output.dense",
    "encoder.layers.*.mlp_norm": "encoder.layer.*.output.LayerNorm",
}
SHAPES = {
    "vocab_size": "vocab_size",
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "intermediate_size": "mlp_width",
    "max_position_embeddings": "max_positions",
}
SIZES = SHAPES | {
    "type_vocab_size": "token_types",
    "hidden_dropout_prob": "dropout_rate",
    "attention_probs_dropout_prob": "attention_dropout_rate",
    "layer_norm_eps": "norm_epsilon",
}
ONLY = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
"""Settings that the net here has one value of."""

RATES = ("classifier_dropout", "hidden_dropout_prob")


def _sizes(config: Mapping[str, Any]) -> TransformerConfig:
    settings.require(config, ONLY)
    return TransformerConfig(**settings.read(config, SIZES), activation=settings.activation(config, "hidden_act"))


def _settings(cfg: TransformerConfig) -> dict[str, Any]:
    return settings.written(cfg, SIZES) | {"hidden_act": settings.WRITTEN.get(cfg.activation), "pad_token_id": 0}


BERT = Family(
    name="bert",
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
            options=classes(*RATES),
            told=labels(),
        ),
    }
    | token_heads("Bert", *RATES),
    left_out=(r"bert\.pooler\..*", r"cls\.seq_relationship\..*", r"(bert\.)?embeddings\.position_ids"),
    sizes=_sizes,
    settings=_settings,
    fills=("token_type",),
)
