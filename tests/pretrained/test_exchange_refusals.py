"""What is wrong with a published model's files is told whole, in one error, before anything large is made."""

import json
import random
import shutil
import struct

import jax
import numpy as np
import pytest
from damage import WAYS
from flax import nnx
from safetensors.numpy import load_file, save_file
from small import equal, masked_lm

import pretrained
from errors import InputError
from pretrained import files
from pretrained.__main__ import describe
from skeleton import parameters


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "model"
    pretrained.save(masked_lm(), directory)
    return directory


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def change(directory, **settings):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def rewrite(directory, edit):
    weights = load_file(directory / "model.safetensors")
    edit(weights)
    save_file(weights, directory / "model.safetensors")


def test_what_is_saved_is_loaded(saved):
    assert equal(pretrained.load(saved), masked_lm())


def test_layers_may_be_stacked_on_either_side(saved, tmp_path):
    stacked = pretrained.load(saved, scan=True)
    assert any("0-1" in name for name in parameters(stacked))
    pretrained.save(stacked, tmp_path / "again")
    assert equal(pretrained.load(tmp_path / "again"), masked_lm())


def test_shards_hold_what_one_file_holds_and_take_its_place(saved, copy):
    pretrained.save(masked_lm(), copy, shard_bytes=4000)
    assert not (copy / "model.safetensors").exists()
    assert len(list(copy.glob("model-*-of-*.safetensors"))) > 2
    assert equal(pretrained.load(copy), masked_lm())
    pretrained.save(masked_lm(), copy)
    assert not (copy / "model.safetensors.index.json").exists()
    assert equal(pretrained.load(copy), masked_lm())


def test_half_precision_is_read_into_float32(copy):
    rewrite(copy, lambda weights: weights.update({name: array.astype(np.float16) for name, array in weights.items()}))
    table = pretrained.load(copy).encoder.embeddings.word.embedding[...]
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, masked_lm().encoder.embeddings.word.embedding[...], atol=1e-4)


def test_all_that_does_not_fit_is_in_one_error(copy):
    def edit(weights):
        del weights["lm_head.bias"]
        weights["lm_head.dense.weight"] = np.zeros((12, 13), np.float32)
        weights["lm_head.layer_norm.bias"] = np.zeros(12, np.int32)
        weights["roberta.encoder.layer.2.output.dense.bias"] = np.zeros(12, np.float32)

    rewrite(copy, edit)
    with pytest.raises(InputError) as told:
        pretrained.load(copy)
    for sentence in (
        "does not hold a RobertaForMaskedLM",
        "lm_head.bias is missing",
        "lm_head.dense.weight has shape (12, 13), and config.json asks for (12, 12)",
        "lm_head.layer_norm.bias holds I32",
        "roberta.encoder.layer.2.output.dense.bias belongs to no part",
    ):
        assert sentence in str(told.value)


def test_a_tied_weight_may_be_there_again_if_it_is_the_same(copy):
    name = "roberta.embeddings.word_embeddings.weight"
    rewrite(copy, lambda weights: weights.update({"lm_head.decoder.weight": weights[name]}))
    assert equal(pretrained.load(copy), masked_lm())
    rewrite(copy, lambda weights: weights.update({"lm_head.decoder.weight": weights[name] + 1}))
    with pytest.raises(InputError, match=r"lm_head\.decoder\.weight repeat other weights with other values"):
        pretrained.load(copy)


def test_parts_of_another_head_are_left_out_and_told(copy, caplog):
    rewrite(copy, lambda weights: weights.update({"roberta.pooler.dense.bias": np.zeros(12, np.float32)}))
    pretrained.load(copy)
    assert "has no use for roberta.pooler.dense.bias" in caplog.text


def test_norms_of_old_files_are_known(copy):
    def edit(weights):
        for name in [name for name in weights if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            weights[old] = weights.pop(name)

    rewrite(copy, edit)
    assert equal(pretrained.load(copy), masked_lm())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' of config.json is not one of bert"),
        ({"model_type": ["bert"]}, r"model_type \['bert'\] of config.json is not one of"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code of that repository, which is never run"),
        ({"architectures": ["RobertaForCausalLM"]}, "RobertaForCausalLM is not one of RobertaModel"),
        ({"architectures": "RobertaForMaskedLM"}, "must name one architecture"),
        ({"architectures": [["RobertaForMaskedLM"]]}, "must name one architecture"),
        ({"hidden_act": "relu"}, "hidden_act='relu' is not supported"),
        ({"is_decoder": True}, "is_decoder=True is not supported"),
        ({"hidden_size": "12"}, "hidden_size must be a whole number"),
        ({"hidden_size": 12.0}, "hidden_size must be a whole number"),
        ({"hidden_size": 10**15}, "hidden_size=1000000000000000 is more than"),
        ({"num_attention_heads": 5}, "width must be a multiple of heads"),
        ({"num_hidden_layers": 10**9}, "more layers than"),
        ({"layer_norm_eps": "x"}, "layer_norm_eps must be a number"),
        ({"layer_norm_eps": -(10**400)}, "layer_norm_eps must be a number"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps must be a number"),
        ({"hidden_dropout_prob": None}, "hidden_dropout_prob must be a number"),
        ({"pad_token_id": None}, "pad_token_id must be a token's id"),
        ({"architectures": ["RobertaForTokenClassification"], "id2label": 3}, "id2label must name the classes, got 3"),
        ({"architectures": ["RobertaForTokenClassification"], "classifier_dropout": "x"}, "classifier_dropout must be"),
        ({"vocab_size": 41}, r"word_embeddings.weight has shape \(40, 12\)"),
    ],
)
def test_settings_that_no_net_here_has_are_refused(settings, told, copy):
    change(copy, **settings)
    with pytest.raises(InputError, match=told):
        pretrained.load(copy)


def test_a_size_that_is_missing_is_named(copy):
    config = json.loads((copy / "config.json").read_text())
    del config["hidden_size"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"config\.json lacks hidden_size"):
        pretrained.load(copy)


def test_a_directory_without_weights_is_told_what_could_be_there(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has none of model\.safetensors, .*, pytorch_model\.bin, "):
        pretrained.load(copy)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("../outside.safetensors", "is no .safetensors file of that directory"),
        ("/etc/passwd", "is no .safetensors file of that directory"),
        ("model.bin", "is no .safetensors file of that directory"),
        ("gone.safetensors", "gone.safetensors"),
        (7, "weight_map must name a file for each weight"),
    ],
)
def test_an_index_that_points_elsewhere_is_refused(place, told, copy):
    pretrained.save(masked_lm(), copy, shard_bytes=4000)
    path = copy / files.SAFETENSORS.index
    index = json.loads(path.read_text())
    index["weight_map"]["lm_head.bias"] = place
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=told):
        pretrained.load(copy)


def test_an_index_must_agree_with_the_files(copy):
    pretrained.save(masked_lm(), copy, shard_bytes=4000)
    path = copy / files.SAFETENSORS.index
    index = json.loads(path.read_text())
    del index["weight_map"]["lm_head.bias"]
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"do not agree on lm_head\.bias"):
        pretrained.load(copy)


def test_a_weight_in_two_files_is_refused(copy):
    pretrained.save(masked_lm(), copy, shard_bytes=4000)
    first, second, *_ = sorted(copy.glob("model-*.safetensors"))
    weights = load_file(second)
    weights |= dict(list(load_file(first).items())[:1])
    save_file(weights, second)
    with pytest.raises(InputError, match="is in both model-00001-of"):
        pretrained.load(copy)


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(length, copy):
    path = copy / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(InputError, match="no sound safetensors file"):
        pretrained.load(copy)


def test_a_name_twice_in_a_header_is_refused(copy):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    twice = header[:-1] + ", " + header[1:]
    (copy / "model.safetensors").write_bytes(struct.pack("<Q", len(twice)) + twice.encode() + bytes(4))
    with pytest.raises(InputError, match="no sound safetensors file"):
        pretrained.load(copy)


def test_a_thousand_damaged_directories_give_an_error_of_ours_or_a_whole_model(saved, tmp_path):
    """Of weights themselves nothing can be known: the format keeps no checksum of them. So damage is in what is read
    before them: the headers' part of the files, the index, config.json.
    """
    sharded = tmp_path / "sharded"
    pretrained.save(masked_lm(), sharded, shard_bytes=4000)
    draw, told, shapes = random.Random(0), {"refused": 0, "whole": 0}, jax.tree.map(np.shape, nnx.state(masked_lm()))
    for number in range(1000):
        source = draw.choice([saved, sharded])
        names = sorted(path.name for path in source.iterdir())
        name, way = draw.choice(names), draw.choice(list(WAYS))
        place = shutil.copytree(source, tmp_path / "damaged")
        content = (place / name).read_bytes()
        head = content
        if name.endswith(".safetensors") and way != "cut":
            (length,) = struct.unpack("<Q", content[:8])
            head = content[: 8 + length]
        (place / name).write_bytes(WAYS[way](draw, head) + content[len(head) :])
        try:
            model = pretrained.load(place)
        except InputError:
            told["refused"] += 1
        else:
            told["whole"] += 1
            if name != "config.json":
                assert jax.tree.map(np.shape, nnx.state(model)) == shapes, (number, name, way)
        shutil.rmtree(place)
    print(told)
    assert told["refused"] > 500


def test_a_directory_is_described_for_a_person(saved):
    told = describe(saved, lengths=(8, 4096))
    first, second, *_ = told.splitlines()
    assert first == "RobertaForMaskedLM of the family roberta: here MaskedLM on Transformer"
    assert second.startswith(f"{sum(x.size for x in jax.tree.leaves(nnx.state(masked_lm()))):,} parameters")
    assert "  model.padding_place = 1" in told
    assert [line.split()[0] for line in told.splitlines() if " tokens " in line] == ["8", "18"]
    assert ["head.bias", "40", "lm_head.bias"] in [line.split() for line in told.splitlines()]
    assert len([line for line in told.splitlines() if "roberta.encoder.layer.1." in line]) == 16
