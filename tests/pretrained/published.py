"""transformers' models of random scaled-up weights, as directories. Imported by parity tests only."""

import numpy as np
import torch
import transformers

SIZES = {
    "vocab_size": 67,
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "max_position_embeddings": 61,
    "layer_norm_eps": 1e-5,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
FAMILIES = {
    "bert": ("Bert", {"type_vocab_size": 3, "pad_token_id": 0}),
    "roberta": ("Roberta", {"type_vocab_size": 1, "pad_token_id": 1}),
    "longformer": ("Longformer", {"type_vocab_size": 1, "pad_token_id": 1, "attention_window": [8, 12]}),
}
HEADS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
CLASSES = {"id2label": {number: f"kind {number}" for number in range(5)}}
LENGTH, ROWS = 45, 4  # no multiple of a window


def published(family, head, **more):
    """Drawn wide enough that hidden states and logits spread well over 1; dropout off."""
    name, own = FAMILIES[family]
    classes = CLASSES if "Classification" in head else {}
    config = getattr(transformers, f"{name}Config")(**SIZES | own | classes | more)
    model = getattr(transformers, name + head)(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
            if "norm" in path.lower() and path.endswith("weight"):
                weight.add_(1.0)
    return model.eval()


def inputs(family):
    """Padding on both sides; types, or no, one and several global tokens, where the family has them."""
    draw = np.random.default_rng(1)
    real = np.ones((ROWS, LENGTH), np.int64)
    real[1, 30:], real[2, :7], real[3, :3], real[3, 40:] = 0, 0, 0, 0
    pad = FAMILIES[family][1]["pad_token_id"]
    given = {
        "input_ids": np.where(real, draw.integers(2, SIZES["vocab_size"], real.shape), pad),
        "attention_mask": real,
    }
    if family == "bert":
        given["token_type_ids"] = draw.integers(0, 3, real.shape) * real
    if family == "longformer":
        given["global_attention_mask"] = np.zeros_like(real)
        for row, count in enumerate((5, 1, 3, 0)):
            given["global_attention_mask"][row, draw.choice(np.flatnonzero(real[row]), count, replace=False)] = 1
    return given


def answers(output):
    """By name: all that says something of the tokens."""
    names = ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits")
    return {name: getattr(output, name) for name in names if getattr(output, name, None) is not None}
