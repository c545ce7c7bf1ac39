"""A value of another kind in config.json is told, whatever the family, and none is taken for what it is not."""

import pytest

from errors import InputError
from pretrained import FAMILIES, settings

HALVES = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 8}
HALVES |= {"decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 8, "max_position_embeddings": 9}
SOUND = {
    "modernbert": {
        "vocab_size": 40,
        "hidden_size": 12,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 20,
    },
    "gpt2": {"vocab_size": 40, "n_embd": 12, "n_layer": 2, "n_head": 2, "n_positions": 20, "resid_pdrop": 0.1}
    | {"attn_pdrop": 0.1, "layer_norm_epsilon": 1e-5},
    "bart": HALVES | {"vocab_size": 40, "d_model": 12, "dropout": 0.1, "attention_dropout": 0.1},
    "t5": {"vocab_size": 40, "d_model": 12, "d_kv": 6, "num_heads": 2, "num_layers": 2, "d_ff": 16}
    | {"dropout_rate": 0.1, "layer_norm_epsilon": 1e-6},
}


@pytest.mark.parametrize(
    ("family", "change", "told"),
    [
        ("gpt2", {"activation_function": ["gelu"]}, r"activation_function=\['gelu'\] is not supported"),
        ("bart", {"activation_function": {}}, "activation_function={} is not supported"),
        ("t5", {"feed_forward_proj": ["relu"]}, r"feed_forward_proj=\['relu'\] is not supported"),
        ("modernbert", {"global_attn_every_n_layers": 0}, "global_attn_every_n_layers must be at least 1, got 0"),
        ("modernbert", {"layer_types": [["full_attention"]] * 4}, "layer_types must be full_attention or"),
        ("modernbert", {"rope_parameters": {"full_attention": [1]}}, "rope_parameters of full_attention must be"),
        ("modernbert", {"global_rope_theta": 10**400}, "global_rope_theta must be a number"),
        ("modernbert", {"local_attention": 1}, "local_attention must be at least 2, got 1"),  # 0 here is full attention
    ],
)
def test_a_value_that_is_no_such_thing_is_told(family, change, told):
    FAMILIES[family].sizes(SOUND[family])
    with pytest.raises(InputError, match=told):
        FAMILIES[family].sizes(SOUND[family] | change)


def test_an_led_takes_no_notice_of_a_scale_of_embeddings_as_in_transformers():
    led = SOUND["bart"] | {"attention_window": [4, 4], "scale_embedding": True}
    led |= {"max_encoder_position_embeddings": 16, "max_decoder_position_embeddings": 9}
    assert not FAMILIES["led"].sizes(led).encoder.scaled_words
    scaled = FAMILIES["bart"].sizes(SOUND["bart"] | {"scale_embedding": True})
    assert (scaled.encoder.scaled_words, scaled.decoder.scaled_words) == (True, True)


def test_other_rates_of_dropout_are_told(caplog):
    FAMILIES["bart"].sizes(SOUND["bart"] | {"activation_dropout": 0.3})
    assert "dropout=0.1, activation_dropout=0.3; here one dropout_rate stands for all" in caplog.text


def test_how_a_text_is_pooled_is_a_word():
    options = FAMILIES["modernbert"].heads["ModernBertForSequenceClassification"].options
    assert options({"classifier_pooling": "mean"}, {})["pooling"] == "mean"
    with pytest.raises(InputError, match=r"classifier_pooling=\['mean'\] is not supported, only cls, mean"):
        options({"classifier_pooling": ["mean"]}, {})


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, "1", None])
def test_a_number_is_one_that_arithmetic_here_has(value):
    with pytest.raises(InputError, match="size must be a number"):
        settings.number({"size": value}, "size", real=True)


@pytest.mark.parametrize(
    ("config", "count"),
    [({}, 2), ({"num_labels": 5}, 5)],
)
def test_classes_without_names_are_as_many_as_config_tells(config, count):
    assert FAMILIES["bert"].heads["BertForTokenClassification"].options(config, {})["classes"] == count


@pytest.mark.parametrize("count", [0, -1, True, "5", None, 2**40])
def test_a_number_of_classes_is_a_number(count):
    with pytest.raises(InputError, match="num_labels must be"):
        FAMILIES["bert"].heads["BertForTokenClassification"].options({"num_labels": count}, {})
