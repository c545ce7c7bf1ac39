"""T5 (Raffel et al. 2020), and its version 1.1 with gated feed-forward nets and a last matrix of its own."""

from collections.abc import Mapping
from typing import Any

from models.config import EncoderDecoderConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.heads import Headless, TokenClassifier
from models.transformer import Transformer
from models.writers import Generator, TextClassifier, TextReader, TextSpanFinder
from pretrained import settings
from pretrained.families.heads import classes, labels
from pretrained.family import Family, Head


def _half(half: str, mlp: Mapping[str, str]) -> dict[str, str]:
    block = f"{half}.block.*.layer"
    last = 1 if half == "encoder" else 2  # the decoder's second attention stands between
    maps = {"query": "q", "key": "k", "value": "v", "output": "o"}
    found = {f"{half}.layers.*.attention.{ours}": f"{block}.0.SelfAttention.{theirs}" for ours, theirs in maps.items()}
    found[f"{half}.layers.*.attention_norm"] = f"{block}.0.layer_norm"
    if half == "decoder":
        found |= {f"decoder.layers.*.cross.{ours}": f"{block}.1.EncDecAttention.{maps[ours]}" for ours in maps}
        found["decoder.layers.*.cross_norm"] = f"{block}.1.layer_norm"
    found |= {f"{half}.layers.*.mlp.{ours}": f"{block}.{last}.DenseReluDense.{theirs}" for ours, theirs in mlp.items()}
    found[f"{half}.layers.*.mlp_norm"] = f"{block}.{last}.layer_norm"
    found[f"{half}.final_norm"] = f"{half}.final_layer_norm"
    found[f"{half}.relative.bias"] = f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias"
    return found


def _modules(mlp: Mapping[str, str]) -> dict[str, str]:
    return {"encoder.embeddings.word": "shared"} | _half("encoder", mlp) | _half("decoder", mlp)


SIZES = {
    "vocab_size": "vocab_size",
    "d_model": "width",
    "d_kv": "key_width",
    "num_heads": "heads",
    "num_layers": "depth",
    "d_ff": "mlp_width",
    "dropout_rate": "dropout_rate",
    "layer_norm_epsilon": "norm_epsilon",
    "relative_attention_num_buckets": "relative_buckets",
    "relative_attention_max_distance": "relative_distance",
}
FIXED = {
    "positions": "relative",
    "norm": "pre",
    "norm_kind": "rms",
    "biases": False,
    "scaled_scores": False,
    "max_positions": 1,  # which relative positions do not use
}
ACTIVATIONS = {"relu": "relu", "gated-gelu": "geglu_tanh"}
REPEATED = {"encoder.embed_tokens.weight": "shared.weight", "decoder.embed_tokens.weight": "shared.weight"}


def _sizes(config: Mapping[str, Any]) -> EncoderDecoderConfig:
    activation = settings.word(config, "feed_forward_proj", ACTIVATIONS, "relu")
    defaults = {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}
    sizes = settings.read(defaults | config, SIZES) | {"activation": activation} | FIXED
    sizes["attention_dropout_rate"] = sizes["dropout_rate"]
    deeper = config.get("num_decoder_layers")
    depth = sizes["depth"] if deeper is None else settings.number(config, "num_decoder_layers")
    return EncoderDecoderConfig(
        encoder=TransformerConfig(**sizes), decoder=TransformerConfig(**sizes | {"depth": depth, "causal": True})
    )


def _settings(cfg: EncoderDecoderConfig) -> dict[str, Any]:
    activations = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    own = {"num_decoder_layers": cfg.decoder.depth, "feed_forward_proj": activations.get(cfg.encoder.activation)}
    own |= {"is_encoder_decoder": True, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return settings.written(cfg.encoder, SIZES) | own


def _output(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1.1 is told from 1.0 by `tie_word_embeddings` or, as transformers 5 has it, `scale_decoder_outputs`."""
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)) is not False
    scaled = scaled and config.get("tie_word_embeddings", True) is not False
    return {"tied": scaled or "lm_head.weight" not in stored, "scaled": scaled}


def _told(model: Generator) -> dict[str, Any]:
    scaled = model.factor != 1.0
    return {"scale_decoder_outputs": scaled, "tie_word_embeddings": scaled}


READER = {"half": "encoder", "net": Transformer}


def _family(name: str, mlp: Mapping[str, str], *, gated: bool) -> Family:
    rates = {"options": classes("classifier_dropout"), "told": labels(), "prefix": "transformer"}
    return Family(
        name=name,
        model_type="t5",
        net=EncoderDecoder,
        prefix="",
        modules=_modules(mlp),
        heads={
            "T5Model": Head(TextReader, repeated=REPEATED),
            "T5ForConditionalGeneration": Head(
                Generator,
                {"output": "lm_head"},
                REPEATED | {"lm_head.weight": "shared.weight"},
                options=_output,
                told=_told,
            ),
            "T5EncoderModel": Head(Headless, repeated=REPEATED, **READER),
            "T5ForSequenceClassification": Head(
                TextClassifier,
                {"head.pool": "classification_head.dense", "head.output": "classification_head.out_proj"},
                {f"transformer.{again}": "transformer.shared.weight" for again in REPEATED},
                **rates,
            ),
            "T5ForTokenClassification": Head(
                TokenClassifier,
                {"output": "classifier"},
                {"transformer.encoder.embed_tokens.weight": "transformer.shared.weight"},
                **rates,
                **READER,
            ),
            "T5ForQuestionAnswering": Head(TextSpanFinder, {"output": "qa_outputs"}, REPEATED),
        },
        left_out=(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",),
        marks=lambda config: (config.get("feed_forward_proj", "relu") == "gated-gelu") is gated,
        sizes=_sizes,
        settings=_settings,
    )


T5 = _family("t5", {"up": "wi", "down": "wo"}, gated=False)
T5_GATED = _family("t5 1.1", {"gate": "wi_0", "up": "wi_1", "down": "wo"}, gated=True)
