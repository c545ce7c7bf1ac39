"""BART (Lewis et al. 2019), and LED (Beltagy et al. 2020, section 7), whose encoder is a Longformer."""

from collections.abc import Callable, Mapping
from typing import Any

from errors import InputError
from models.config import EncoderDecoderConfig, LongformerConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import Generator, TextClassifier, TextReader, TextSpanFinder
from pretrained import settings
from pretrained.families.heads import classes, labels
from pretrained.families.roberta import both_sides, one_sided
from pretrained.family import Family, Head

PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
SIZES = {"vocab_size": "vocab_size", "d_model": "width", "dropout": "dropout_rate"}
SIZES |= {"attention_dropout": "attention_dropout_rate"}
OFFSET = {"padding_place": 1, "counted_places": False}  # two rows of BART's tables serve no text


def _half(half: str, attention: Mapping[str, str]) -> dict[str, str]:
    layer = f"{half}.layers.*"
    found = {
        f"{half}.embeddings.position": f"{half}.embed_positions",
        f"{half}.embeddings.norm": f"{half}.layernorm_embedding",
        f"{layer}.attention_norm": f"{layer}.self_attn_layer_norm",
        f"{layer}.mlp.up": f"{layer}.fc1",
        f"{layer}.mlp.down": f"{layer}.fc2",
        f"{layer}.mlp_norm": f"{layer}.final_layer_norm",
    }
    return found | {f"{layer}.attention.{ours}": f"{layer}.self_attn.{theirs}" for ours, theirs in attention.items()}


def _modules(read: Mapping[str, str]) -> dict[str, str]:
    found = {"encoder.embeddings.word": "shared"} | _half("encoder", read) | _half("decoder", PROJECTIONS)
    layer = "decoder.layers.*"
    found |= {f"{layer}.cross.{ours}": f"{layer}.encoder_attn.{theirs}" for ours, theirs in PROJECTIONS.items()}
    return found | {f"{layer}.cross_norm": f"{layer}.encoder_attn_layer_norm"}


def _of_half(half: str) -> dict[str, str]:
    return {f"{half}_layers": "depth", f"{half}_attention_heads": "heads", f"{half}_ffn_dim": "mlp_width"}


def _halves(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What BART and LED share; without places."""
    settings.require(config, {"tie_word_embeddings": True, "add_final_layer_norm": False, "normalize_before": False})
    shared = settings.read(config, SIZES) | {"activation": settings.activation(config, "activation_function")}
    settings.one_rate(config, "dropout", "activation_dropout")
    encoder, decoder = (shared | settings.read(config, _of_half(half)) for half in ("encoder", "decoder"))
    return encoder, decoder | {"causal": True}


def _bart_sizes(config: Mapping[str, Any]) -> EncoderDecoderConfig:
    places = OFFSET | {"max_positions": settings.number(config, "max_position_embeddings") + 2}
    places |= {"scaled_words": bool(config.get("scale_embedding", False))}  # transformers' LED takes no notice of it
    encoder, decoder = (TransformerConfig(**half, **places) for half in _halves(config))
    return EncoderDecoderConfig(encoder=encoder, decoder=decoder)


def _led_sizes(config: Mapping[str, Any]) -> EncoderDecoderConfig:
    encoder, decoder = _halves(config)
    read, write = (settings.number(config, f"max_{half}_position_embeddings") for half in ("encoder", "decoder"))
    return EncoderDecoderConfig(
        encoder=LongformerConfig(**encoder, max_positions=read, windows=one_sided(config)),
        decoder=TransformerConfig(**decoder, max_positions=write),
    )


def _shared_settings(cfg: EncoderDecoderConfig) -> dict[str, Any]:
    own = {
        "activation_function": settings.WRITTEN.get(cfg.encoder.activation),
        "is_encoder_decoder": True,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }
    for name, half in (("encoder", cfg.encoder), ("decoder", cfg.decoder)):
        own |= settings.written(half, _of_half(name))
    return settings.written(cfg.encoder, SIZES) | own


def _bart_settings(cfg: EncoderDecoderConfig) -> dict[str, Any]:
    places = {"max_position_embeddings": cfg.encoder.max_positions - 2}
    return _shared_settings(cfg) | places | {"scale_embedding": cfg.encoder.scaled_words}


def _led_settings(cfg: EncoderDecoderConfig) -> dict[str, Any]:
    if not isinstance(cfg.encoder, LongformerConfig):
        raise InputError("it is no led (its encoder has no windows)")
    places = {"max_encoder_position_embeddings": cfg.encoder.max_positions}
    places |= {"max_decoder_position_embeddings": cfg.decoder.max_positions}
    return _shared_settings(cfg) | places | {"attention_window": both_sides(cfg.encoder)}


def _biased(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"biased": True}


def _heads(name: str, prefix: str) -> dict[str, Head]:
    def repeated(prefix: str) -> dict[str, str]:
        return {f"{prefix}{half}.embed_tokens.weight": f"{prefix}shared.weight" for half in ("encoder", "decoder")}

    under = repeated(f"{prefix}.")
    return {
        f"{name}Model": Head(TextReader, repeated=repeated("")),
        f"{name}ForConditionalGeneration": Head(
            Generator,
            {"bias": "final_logits_bias"},
            under | {"lm_head.weight": f"{prefix}.shared.weight"},
            options=_biased,
        ),
        f"{name}ForSequenceClassification": Head(
            TextClassifier,
            {"head.pool": "classification_head.dense", "head.output": "classification_head.out_proj"},
            under,
            options=classes("classifier_dropout"),
            told=labels(),
        ),
        f"{name}ForQuestionAnswering": Head(TextSpanFinder, {"output": "qa_outputs"}, under),
    }


def _family(name: str, prefix: str, *, read: Mapping[str, str], **how: Callable) -> Family:
    heads = _heads(name, prefix)
    if name == "LED":
        del heads["LEDForSequenceClassification"]  # which transformers no longer has
    left_out = (rf"({prefix}\.)?(encoder|decoder)\.version", "final_logits_bias")
    return Family(
        name=name.lower(),
        model_type=name.lower(),
        net=EncoderDecoder,
        prefix=prefix,
        modules=_modules(read),
        heads=heads,
        left_out=left_out,
        **how,
    )


WINDOWED = {name: f"longformer_self_attn.{name}" for name in ("query", "key", "value")}
WINDOWED |= {f"{name}_global": f"longformer_self_attn.{name}_global" for name in ("query", "key", "value")}
WINDOWED |= {"output": "output"}

BART = _family("Bart", "model", read=PROJECTIONS, sizes=_bart_sizes, settings=_bart_settings)
LED = _family("LED", "led", read=WINDOWED, sizes=_led_sizes, settings=_led_settings)
