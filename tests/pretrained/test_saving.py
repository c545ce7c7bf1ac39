"""A model is saved as the family that would read it back as it is, or not at all."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from small import SIZES, masked_lm

import pretrained
from errors import InputError
from models import Longformer, LongformerConfig, MaskedLM, SequenceClassifier, Transformer, TransformerConfig
from models.config import EncoderDecoderConfig
from models.encoder_decoder import EncoderDecoder
from models.writers import Generator


def test_only_models_of_a_published_family_are_saved(tmp_path):
    net = Longformer(LongformerConfig(**SIZES, windows=(4,), padding_place=1, dilations=(2,)), rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match="neither a window for each head nor dilation"):
        pretrained.save(MaskedLM(net, rngs=nnx.Rngs(0)), tmp_path / "a")
    with pytest.raises(InputError, match=r"it is no roberta \(norm='pre', theirs is 'post'"):
        pretrained.save(masked_lm(norm="pre"), tmp_path / "b")
    with pytest.raises(InputError, match="positions='rotary', theirs is 'learned'"):
        pretrained.save(masked_lm(positions="rotary", padding_place=-1), tmp_path / "b", pad_token_id=1)
    turned = Longformer(LongformerConfig(**SIZES, windows=(4,), positions="rotary"), rngs=nnx.Rngs(0))
    with pytest.raises(InputError, match=r"it is no longformer \(positions='rotary', theirs is 'learned'\)$"):
        pretrained.save(MaskedLM(turned, rngs=nnx.Rngs(0)), tmp_path / "b", pad_token_id=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("scan", [False, True])
def test_low_rank_adaptations_are_written_as_part_of_the_matrices_they_stand_beside(scan, tmp_path):
    adapted = masked_lm(lora_rank=2, lora_maps=("query", "down"), scan=scan)
    ups = [leaf for path, leaf in nnx.to_flat_state(nnx.state(adapted)) if path[-1] == "lora_b"]
    for leaf in ups:
        leaf[...] = 10 * jax.random.normal(jax.random.key(2), leaf.shape)
    ids = jnp.arange(2, 12).reshape(1, 10)
    pretrained.save(adapted, tmp_path)
    plain = pretrained.load(tmp_path)
    assert plain.encoder.cfg.lora_rank == 0
    logits = adapted(ids).logits
    error = jnp.abs(logits - plain(ids).logits).max()
    print(f"{error:.1e}")
    assert error < 1e-5
    for leaf in ups:
        leaf[...] = jnp.zeros_like(leaf[...])
    changed = jnp.abs(logits - adapted(ids).logits).max()
    assert changed > 1e-2


def test_each_half_is_adapted_by_its_own_factor(tmp_path):
    cfg = TransformerConfig(**SIZES | {"max_positions": 22}, padding_place=1, counted_places=False, lora_rank=2)
    halves = EncoderDecoderConfig(encoder=cfg, decoder=dataclasses.replace(cfg, causal=True, lora_alpha=4.0))
    adapted = Generator(EncoderDecoder(halves, rngs=nnx.Rngs(0)), biased=True, rngs=nnx.Rngs(1))
    for path, leaf in nnx.to_flat_state(nnx.state(adapted)):
        if path[-1] == "lora_b":
            leaf[...] = jax.random.normal(jax.random.key(2), leaf.shape)
    pretrained.save(adapted, tmp_path)
    ids = jnp.arange(2, 12).reshape(1, 10)
    logits = adapted(ids, decoder_input_ids=ids).logits
    error = jnp.abs(logits - pretrained.load(tmp_path)(ids, decoder_input_ids=ids).logits).max() / logits.std()
    print(f"{error:.1e}")
    assert error < 1e-4


def test_a_table_of_no_width_is_no_alberts(tmp_path):
    with pytest.raises(InputError, match=r"it is no albert \(config.json: embedding_size must be at least 1, got 0"):
        pretrained.save(masked_lm(layer_order=(0, 0), padding_place=-1), tmp_path, family="albert")


def test_a_head_is_saved_in_the_family_that_computes_the_same(tmp_path):
    """DistilBERT's classifier has the same weights under a relu."""
    cfg = TransformerConfig(**SIZES, norm_epsilon=1e-12)
    kinds = {"tanh": "bert", "relu": "distilbert"}
    for kind, family in kinds.items():
        encoder = Transformer(cfg, rngs=nnx.Rngs(0))
        model = SequenceClassifier(encoder, classes=3, dropout_rate=0.1, kind=kind, rngs=nnx.Rngs(1))
        pretrained.save(model, tmp_path / kind)
        assert json.loads((tmp_path / kind / "config.json").read_text())["model_type"] == family
        other = next(each for each in kinds.values() if each != family)
        with pytest.raises(InputError, match=f"its head is '{kind}', that of {other} '"):
            pretrained.save(model, tmp_path / "other", family=other)


def test_a_classifier_is_saved_with_the_names_of_its_classes_and_as_another_directory_has_them(tmp_path):
    encoder = Transformer(TransformerConfig(**SIZES | {"token_types": 1, "padding_place": 1}), rngs=nnx.Rngs(0))
    model = SequenceClassifier(encoder, classes=2, dropout_rate=0.1, rngs=nnx.Rngs(1))
    pretrained.save(model, tmp_path / "named", classes=("bad", "good"))
    pretrained.save(model, tmp_path / "again", like=tmp_path / "named")
    for name in ("named", "again"):
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert config["id2label"] == {"0": "bad", "1": "good"}
        assert config["label2id"] == {"bad": 0, "good": 1}
    (tmp_path / "nameless").mkdir()
    (tmp_path / "nameless" / "config.json").write_text(json.dumps({"id2label": None}))
    pretrained.save(model, tmp_path / "again", like=tmp_path / "nameless")
    assert list(json.loads((tmp_path / "again" / "config.json").read_text())["id2label"]) == ["0", "1"]
    with pytest.raises(InputError, match=r"the model tells 2 classes; as many different names are needed, got \['a'\]"):
        pretrained.save(model, tmp_path / "other", classes=("a",))
