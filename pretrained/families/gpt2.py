"""GPT-2 (Radford et al. 2019): causal and pre-norm; its files keep matrices with their inputs first."""

from collections.abc import Mapping
from typing import Any

from models.config import TransformerConfig
from models.heads import Headless, SequenceClassifier
from models.transformer import Transformer
from models.writers import CausalLM
from pretrained import settings
from pretrained.families.heads import classes, labels, token_heads
from pretrained.family import Family, Head, Part

MODULES = {
    "encoder.embeddings.word": "wte",
    "encoder.embeddings.position": "wpe",
    "encoder.layers.*.attention_norm": "h.*.ln_1",
    "encoder.layers.*.attention.query": Part("h.*.attn.c_attn", 0, 3, turned=False),
    "encoder.layers.*.attention.key": Part("h.*.attn.c_attn", 1, 3, turned=False),
    "encoder.layers.*.attention.value": Part("h.*.attn.c_attn", 2, 3, turned=False),
    "encoder.layers.*.attention.output": Part("h.*.attn.c_proj", turned=False),
    "encoder.layers.*.mlp_norm": "h.*.ln_2",
    "encoder.layers.*.mlp.up": Part("h.*.mlp.c_fc", turned=False),
    "encoder.layers.*.mlp.down": Part("h.*.mlp.c_proj", turned=False),
    "encoder.final_norm": "ln_f",
}
SIZES = {
    "vocab_size": "vocab_size",
    "n_embd": "width",
    "n_layer": "depth",
    "n_head": "heads",
    "n_positions": "max_positions",
    "resid_pdrop": "dropout_rate",
    "attn_pdrop": "attention_dropout_rate",
    "layer_norm_epsilon": "norm_epsilon",
}
ONLY = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
LAST = {"pooling": "last", "kind": "plain"}


def _sizes(config: Mapping[str, Any]) -> TransformerConfig:
    settings.require(config, ONLY)
    settings.one_rate(config, "resid_pdrop", "embd_pdrop")
    sizes = settings.read(config, SIZES)
    inner = sizes["width"] * 4 if config.get("n_inner") is None else settings.number(config, "n_inner")
    activation = settings.activation(config, "activation_function", "gelu_new")
    return TransformerConfig(**sizes, mlp_width=inner, activation=activation, norm="pre", causal=True)


def _settings(cfg: TransformerConfig) -> dict[str, Any]:
    own = {"n_inner": cfg.mlp_width, "activation_function": settings.WRITTEN.get(cfg.activation)}
    return settings.written(cfg, SIZES) | own | {"embd_pdrop": cfg.dropout_rate, "n_ctx": cfg.max_positions}


GPT2 = Family(
    name="gpt2",
    model_type="gpt2",
    net=Transformer,
    prefix="transformer",
    modules=MODULES,
    heads={
        "GPT2Model": Head(Headless),
        "GPT2LMHeadModel": Head(CausalLM, repeated={"lm_head.weight": "transformer.wte.weight"}),
        "GPT2ForSequenceClassification": Head(
            SequenceClassifier, {"head.output": "score"}, options=classes(**LAST), told=labels("")
        ),
    }
    | token_heads("GPT2", "classifier_dropout", "hidden_dropout"),
    left_out=(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias",),  # the causal mask, as a constant
    sizes=_sizes,
    settings=_settings,
)
