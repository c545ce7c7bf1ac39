"""transformers' models of random scaled-up weights, as directories. Imported by parity tests only."""

from typing import NamedTuple

import numpy as np
import torch
import transformers

VOCAB, LENGTH, ROWS, WRITTEN = 67, 45, 4, 19  # a length that is no multiple of a window
BERTS = {
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "max_position_embeddings": 61,
    "layer_norm_eps": 1e-5,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
HALVES = {
    "d_model": 36,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_ffn_dim": 50,
    "decoder_ffn_dim": 40,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "dropout": 0.0,
    "attention_dropout": 0.0,
}
T5S = {
    "d_model": 36,
    "d_kv": 10,  # heads * d_kv is not d_model
    "num_heads": 3,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "d_ff": 50,
    "dropout_rate": 0.0,
    "relative_attention_num_buckets": 10,
    "relative_attention_max_distance": 30,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
}
ENCODERS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
WRITERS = ("Model", "ForConditionalGeneration", "EncoderModel", *ENCODERS[2:])
LAST_MAPS = ("qa_outputs", "classifier", "score", "classification_head")
CLASSES = {"id2label": {number: f"kind {number}" for number in range(5)}}


class Told(NamedTuple):
    """A family: transformers' prefix of its classes, its heads, and what its config says."""

    name: str
    heads: tuple[str, ...]
    config: dict

    @property
    def writes(self):
        return self.name in ("T5", "Bart", "LED")


FAMILIES = {
    "bert": Told("Bert", ENCODERS, BERTS | {"type_vocab_size": 3, "pad_token_id": 0}),
    "bert-gelu-new": Told("Bert", ENCODERS[:3], BERTS | {"type_vocab_size": 2, "hidden_act": "gelu_new"}),
    "roberta": Told("Roberta", ENCODERS, BERTS | {"type_vocab_size": 1, "pad_token_id": 1}),
    "longformer": Told(
        "Longformer", ENCODERS, BERTS | {"type_vocab_size": 1, "pad_token_id": 1, "attention_window": [8, 12]}
    ),
    "distilbert": Told(
        "DistilBert",
        ENCODERS,
        {"dim": 36, "n_layers": 2, "n_heads": 3, "hidden_dim": 50, "max_position_embeddings": 61, "dropout": 0.0}
        | {"attention_dropout": 0.0, "qa_dropout": 0.0, "seq_classif_dropout": 0.0, "sinusoidal_pos_embds": True},
    ),
    "albert": Told(
        "Albert",
        ENCODERS,
        BERTS | {"num_hidden_layers": 5, "num_hidden_groups": 2, "embedding_size": 22, "classifier_dropout_prob": 0.0},
    ),
    "modernbert": Told(
        "ModernBert",
        ENCODERS,
        {"hidden_size": 36, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 50}
        | {"max_position_embeddings": 61, "local_attention": 10, "pad_token_id": 0, "classifier_pooling": "mean"},
    ),
    "gpt2": Told(
        "GPT2",
        ("Model", "LMHeadModel", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"),
        {"n_embd": 36, "n_layer": 2, "n_head": 3, "n_positions": 61, "n_inner": 50, "pad_token_id": 0}
        | {"embd_pdrop": 0.0, "resid_pdrop": 0.0, "attn_pdrop": 0.0, "classifier_dropout": 0.0},
    ),
    "t5": Told(
        "T5",
        WRITERS,
        T5S,
    ),
    "t5-1.1": Told(
        "T5",
        WRITERS,
        T5S | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "bart": Told(
        "Bart",
        ("Model", "ForConditionalGeneration", "ForSequenceClassification", "ForQuestionAnswering"),
        HALVES | {"max_position_embeddings": 61, "scale_embedding": True, "pad_token_id": 1, "eos_token_id": 2},
    ),
    "led": Told(
        "LED",
        ("Model", "ForConditionalGeneration", "ForQuestionAnswering"),
        HALVES
        | {"max_encoder_position_embeddings": 61, "max_decoder_position_embeddings": 33, "attention_window": [8, 12]},
    ),
}
CASES = [(family, head) for family, told in FAMILIES.items() for head in told.heads]


def published(family, head, **more):
    """Drawn wide enough that hidden states and logits spread well over 1; dropout off."""
    told = FAMILIES[family]
    classes = CLASSES if "Classification" in head else {}
    config = getattr(transformers, f"{told.name}Config")(**{"vocab_size": VOCAB} | told.config | classes | more)
    config._attn_implementation = "eager"  # the other ones give no attentions
    model = getattr(transformers, told.name + head)(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            wide = path.split(".")[0] in LAST_MAPS or path.endswith("shared.weight")
            weight.copy_(torch.randn(weight.shape, generator=generator) * (2.0 if wide else 0.2))
            if ("norm" in path.lower() or "ln_" in path) and path.endswith("weight"):
                weight.add_(1.0)
            if path.endswith(("SelfAttention.q.weight", "EncDecAttention.q.weight")):
                weight.mul_(told.config["d_kv"] ** -0.5)  # T5 divides no scores: its queries are small from the start
    if family == "t5-1.1" and head == "ForConditionalGeneration":
        model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCAB, told.config["d_model"], generator=generator) * 0.2)
    return model.eval()


def inputs(family, head="Model"):
    """Padding on both sides; types, or no, one and several global tokens, where the family has them.

    What classifies by the last token of a kind, or counts no padding before a text, gets padding behind it alone.
    """
    told, draw = FAMILIES[family], np.random.default_rng(1)
    real = np.ones((ROWS, LENGTH), np.int64)
    real[1, 30:], real[3, 40:] = 0, 0
    if told.name != "GPT2" and not (told.writes and head == "ForSequenceClassification"):
        real[2, :7], real[3, :3] = 0, 0
    pad = told.config.get("pad_token_id", 1 if told.name == "LED" else 0)
    ids = np.where(real, draw.integers(3, VOCAB, real.shape), pad)
    given = {"input_ids": ids, "attention_mask": real}
    if told.name in ("Bert", "Albert"):
        given["token_type_ids"] = draw.integers(0, told.config.get("type_vocab_size", 2), real.shape) * real
    if told.name in ("Longformer", "LED"):
        given["global_attention_mask"] = np.zeros_like(real)
        for row, count in enumerate((5, 1, 3, 0)):
            given["global_attention_mask"][row, draw.choice(np.flatnonzero(real[row]), count, replace=False)] = 1
    if told.writes and "Encoder" not in head and "Token" not in head:
        given |= _written(draw, given, head)
    return given


def _written(draw, given, head):
    ids, real = given["input_ids"], given["attention_mask"]
    if head == "ForSequenceClassification":  # the same text again, which ends on its only end
        eos = 1 if ids[1, -1] == 0 else 2
        ids[np.arange(ROWS), real.sum(1) - 1] = eos
        return {"decoder_input_ids": np.concatenate([np.full((ROWS, 1), eos), ids[:, :-1]], 1)}
    written = draw.integers(3, VOCAB, (ROWS, WRITTEN))
    kept = np.ones_like(written)
    kept[1, 12:] = 0
    return {"decoder_input_ids": written, "decoder_attention_mask": kept}


NAMES = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits", "encoder_last_hidden_state")
ASKED = [f"{side}{kind}" for side in ("", "encoder_", "decoder_") for kind in ("hidden_states", "attentions")]
ASKED += ["cross_attentions"]


def answers(output):
    """By name: all that says something of the tokens."""
    return {name: getattr(output, name) for name in NAMES if getattr(output, name, None) is not None}


def asked(output):
    """By name: hidden states and attentions."""
    return {name: getattr(output, name) for name in ASKED if getattr(output, name, None)}
