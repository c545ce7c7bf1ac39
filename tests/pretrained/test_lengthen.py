"""A RoBERTa made longer answers as before where everything is in one window, and goes on where it could not."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import pretrained
from errors import InputError
from models import MaskedLM, SequenceClassifier, Transformer, TransformerConfig
from pretrained.lengthen import main
from pretrained.longer import roberta_to_longformer, tiled
from skeleton import parameters

SIZES = {"vocab_size": 40, "width": 12, "depth": 2, "heads": 2, "mlp_width": 16, "max_positions": 22, "token_types": 1}


def roberta(head=MaskedLM, **more):
    cfg = TransformerConfig(**SIZES | {"padding_place": 1} | more)
    model = head(Transformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    graph, state = nnx.split(model)
    keys = iter(jax.random.split(jax.random.key(2), len(jax.tree.leaves(state))))
    return nnx.merge(graph, jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), state))


def rows(length):
    real = np.ones((3, length), np.int32)
    real[1, length // 2 :], real[2, :3] = 0, 0
    ids = np.random.default_rng(0).integers(2, 40, real.shape)
    return {"input_ids": jnp.asarray(np.where(real, ids, 1)), "attention_mask": jnp.asarray(real)}


@pytest.mark.parametrize(
    ("scan", "global_tokens"),
    [
        (False, True),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((False, False), (True, False), (True, True))),
    ],
)
def test_a_text_within_one_window_is_answered_as_before(global_tokens, scan):
    before, given = roberta(scan=scan), rows(20)
    longer = roberta_to_longformer(before, windows=(20,), max_positions=64)
    chosen = {"global_attention_mask": jnp.zeros((3, 20), jnp.int32).at[:, 4].set(1)} if global_tokens else {}
    want, got = before(**given).logits, longer(**given, **chosen).logits
    real = np.asarray(given["attention_mask"]) == 1
    error = np.abs(np.asarray(got - want))[real].max() / np.asarray(want)[real].std()
    print(f"{error:.1e}")
    assert np.asarray(want)[real].std() > 1
    assert error < 1e-5  # seen 1e-6


def test_a_longer_text_is_read_to_its_end():
    longer = roberta_to_longformer(roberta(), windows=(4, 8), max_positions=64)
    assert jnp.isfinite(longer(**rows(64)).logits).all()
    assert longer.encoder.cfg.windows == (4, 8)
    with pytest.raises(InputError, match="65 tokens is longer than the 64 places"):
        longer(**rows(65))


@pytest.mark.slow
def test_a_roberta_of_512_places_equals_itself_up_to_512_and_reads_4096():
    """In a text that repeats itself every 512 tokens, as the places do, only the ends show which repetition it is."""
    before = roberta(max_positions=514)
    longer = roberta_to_longformer(before, windows=(512,), max_positions=4096)
    given = rows(512)
    want, got = before(**given).logits, longer(**given).logits
    real = np.asarray(given["attention_mask"]) == 1
    error = np.abs(np.asarray(got - want))[real].max() / np.asarray(want)[real].std()
    whole = longer(jnp.tile(given["input_ids"][:1], 8)).logits[0].reshape(8, 512, -1)
    inner = jnp.abs(whole[2:6] - whole[2:3]).max() / whole.std()  # each sees two windows of 512 to each side
    print(f"{error:.1e} {inner:.1e} {jnp.abs(whole[0] - whole[3]).max() / whole.std():.1e}")
    assert error < 1e-5  # seen 1e-6
    assert inner < 1e-5  # seen 1e-6
    assert jnp.abs(whole[0] - whole[3]).max() / whole.std() > 0.1  # seen 0.5


def test_places_are_tiled_and_those_that_no_text_uses_stay_alone():
    table = jnp.arange(5.0)[:, None]
    assert tiled(table, first=2, unused=2, rows=10)[:, 0].tolist() == [0, 1, 2, 3, 4, 2, 3, 4, 2, 3]
    assert tiled(table, first=2, unused=0, rows=7)[:, 0].tolist() == [2, 3, 4, 2, 3, 4, 2]


def test_projections_of_global_tokens_begin_as_those_of_the_others():
    before = roberta()
    after = parameters(roberta_to_longformer(before, windows=(4,), max_positions=64))
    for name, value in parameters(before).items():
        if ".query." in name or ".key." in name or ".value." in name:
            head, _, leaf = name.rpartition(".")
            assert (after[f"{head}_global.{leaf}"] == value).all()


def test_what_was_made_longer_is_saved_and_read_as_a_longformer(tmp_path):
    def classifier(encoder, *, rngs):
        return SequenceClassifier(encoder, classes=3, dropout_rate=0.1, rngs=rngs)

    longer = roberta_to_longformer(roberta(classifier), windows=(4,), max_positions=64)
    pretrained.save(longer, tmp_path / "longer")
    again = pretrained.load(tmp_path / "longer")
    assert pretrained.sizes(tmp_path / "longer")["name"] == "longformer"
    assert (again(**rows(40)).logits == longer(**rows(40)).logits).all()


def test_the_command_writes_the_longer_model_and_its_tokenizer_and_touches_nothing_that_is_there(tmp_path, monkeypatch):
    pretrained.save(roberta(), tmp_path / "short")
    (tmp_path / "short" / "tokenizer.json").write_text("{}")
    (tmp_path / "short" / "tokenizer_config.json").write_text('{"cls_token": "<s>", "model_max_length": 20}')
    given = [str(tmp_path / "short"), str(tmp_path / "long"), "--max-positions=64", "--window=4"]
    monkeypatch.setattr("sys.argv", ["lengthen", *given])
    main()
    sizes = pretrained.sizes(tmp_path / "long")
    assert (sizes["name"], sizes["max_positions"], sizes["windows"]) == ("longformer", 66, (4, 4))
    assert (tmp_path / "long" / "tokenizer.json").read_text() == "{}"
    settings = json.loads((tmp_path / "long" / "tokenizer_config.json").read_text())
    assert settings == {"cls_token": "<s>", "model_max_length": 64}  # else transformers would cut texts at 20 tokens
    with pytest.raises(SystemExit, match="long exists; choose another directory"):
        main()


def test_the_command_begins_without_a_warning():
    """Of runpy, where the package has imported the module that it shall run."""
    ended = subprocess.run([sys.executable, "-W", "error", "-m", "pretrained.lengthen", "--help"], capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_only_an_encoder_that_sees_all_and_no_more_places_than_asked_for_is_made_longer():
    with pytest.raises(InputError, match="less than the 20 places"):
        roberta_to_longformer(roberta(), windows=(4,), max_positions=19)
    with pytest.raises(InputError, match="only an encoder with full attention and learned positions"):
        roberta_to_longformer(roberta(positions="rotary"), windows=(4,), max_positions=64)
    longer = roberta_to_longformer(roberta(), windows=(4,), max_positions=64)
    with pytest.raises(InputError, match="only an encoder with full attention"):
        roberta_to_longformer(longer, windows=(4,), max_positions=80)
