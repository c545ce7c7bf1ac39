"""Weights in .bin files are read like any others, and whatever else a pickle asks for is not done."""

import json
import os
import pickle
import random
import shutil
import sys

import jax
import numpy as np
import pytest
from damage import WAYS
from flax import nnx
from safetensors.numpy import load_file
from small import equal, masked_lm

import pretrained
from errors import InputError
from pretrained.files import PICKLED, SAFETENSORS, stored_weights

WORD = "roberta.embeddings.word_embeddings.weight"


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def directory(tmp_path):
    """With config.json only."""
    pretrained.save(masked_lm(), tmp_path / "model")
    (tmp_path / "model" / SAFETENSORS.file).rename(tmp_path / "weights")
    return tmp_path / "model"


@pytest.fixture
def weights(torch, directory):
    return {name: torch.from_numpy(array) for name, array in load_file(directory.parent / "weights").items()}


class Canary:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_pytorch_pickled_is_what_safetensors_hold(zipped, torch, weights, directory):
    weights["lm_head.decoder.weight"] = weights[WORD]  # one storage
    weights["roberta.embeddings.position_ids"] = torch.arange(20)[None]
    torch.save(weights, directory / PICKLED.file, _use_new_zipfile_serialization=zipped)
    assert equal(pretrained.load(directory), masked_lm())
    stored = stored_weights(directory)
    assert (stored[WORD].shape, stored[WORD].dtype) == ((40, 12), "float32")
    assert (stored["roberta.embeddings.position_ids"].shape, stored["roberta.embeddings.position_ids"].dtype) == (
        (1, 20),
        "int64",
    )


def test_parameters_turned_views_and_every_precision_are_read(torch, weights, directory):
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    kept = {name: value.to(kinds[number % 4]) for number, (name, value) in enumerate(weights.items())}
    kept |= {name: value.T.contiguous().T for name, value in kept.items() if value.ndim == 2}
    torch.save({name: torch.nn.Parameter(value) for name, value in kept.items()}, directory / PICKLED.file)
    pretrained.save(pretrained.load(directory), directory.parent / "again")
    again = load_file(directory.parent / "again" / SAFETENSORS.file)
    assert all(np.array_equal(again[name], value.float().numpy()) for name, value in kept.items())


def test_shards_of_pickles_hold_what_one_file_holds(torch, weights, directory):
    shard(torch, weights, directory)
    assert equal(pretrained.load(directory), masked_lm())
    index = json.loads((directory / PICKLED.index).read_text())
    index["weight_map"][WORD] = "../weights.bin"
    (directory / PICKLED.index).write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"'\.\./weights\.bin' is no \.bin file of that directory"):
        pretrained.load(directory)


def shard(torch, weights, directory):
    places = {name: f"pytorch_model-{number % 3 + 1:05}-of-00003.bin" for number, name in enumerate(weights)}
    for file in set(places.values()):
        torch.save({name: value for name, value in weights.items() if places[name] == file}, directory / file)
    (directory / PICKLED.index).write_text(json.dumps({"weight_map": places}))


def test_safetensors_are_read_where_both_are(directory):
    (directory.parent / "weights").rename(directory / SAFETENSORS.file)
    (directory / PICKLED.file).write_bytes(b"no pickle at all")
    assert equal(pretrained.load(directory), masked_lm())


def test_without_pytorch_a_pickle_is_refused_with_what_to_do(directory, monkeypatch):
    (directory / PICKLED.file).write_bytes(b"not even looked at")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"pytorch_model\.bin is a pickle, .* install torch, or convert the file"):
        pretrained.load(directory)


@pytest.mark.parametrize("written", ["zip", "legacy", "pickle"])
def test_nothing_that_a_pickle_asks_for_is_run(written, torch, weights, directory):
    canary = directory / "canary"
    evil, file = weights | {WORD: Canary(canary)}, directory / PICKLED.file
    if written == "pickle":
        file.write_bytes(pickle.dumps({WORD: Canary(canary)}, protocol=2))
    else:
        torch.save(evil, file, _use_new_zipfile_serialization=written == "zip")
    with pytest.raises(InputError, match=r"model\.bin is no sound file of weights: it asks for posix\.system") as told:
        pretrained.load(directory)
    assert len(str(told.value).splitlines()) == 1
    assert not canary.exists()


def test_what_is_no_weight_is_refused_by_its_name(torch, weights, directory):
    for content, told in (
        (list(weights.values()), "holds a list, not weights by name"),
        ({0: weights[WORD]}, "holds a dict, not weights by name"),
        (weights | {WORD: "text"}, f"{WORD} is no array of numbers"),
        (weights | {WORD: weights[WORD].to_sparse()}, f"{WORD} is no array of numbers"),
        (weights | {WORD: weights[WORD].to("meta")}, f"{WORD} is no array of numbers"),
        (weights | {WORD: weights[WORD].int()}, f"{WORD} holds int32, not floating-point numbers"),
        (weights | {WORD: torch.zeros(1, 1).expand(10**9, 10**9)}, "has shape"),
    ):
        torch.save(content, directory / PICKLED.file)
        with pytest.raises(InputError, match=told):
            pretrained.load(directory)


def test_damaged_pickles_give_an_error_of_ours_or_a_whole_model(torch, weights, directory, tmp_path):
    """Values may differ: of a storage nothing can be known. The zip format's checksums are not looked at by PyTorch."""
    kinds = {"zip": directory, "legacy": tmp_path / "legacy", "shards": tmp_path / "shards"}
    for kind in ("legacy", "shards"):
        shutil.copytree(directory, kinds[kind])
    torch.save(weights, directory / PICKLED.file)
    torch.save(weights, kinds["legacy"] / PICKLED.file, _use_new_zipfile_serialization=False)
    shard(torch, weights, kinds["shards"])
    draw, told, shapes = random.Random(0), {"refused": 0, "whole": 0}, jax.tree.map(np.shape, nnx.state(masked_lm()))
    for number in range(200):
        source = draw.choice(list(kinds.values()))
        name = draw.choice(sorted(path.name for path in source.glob("pytorch_model*")))
        way = draw.choice(list(WAYS))
        place = shutil.copytree(source, tmp_path / "damaged")
        (place / name).write_bytes(WAYS[way](draw, (source / name).read_bytes()))
        try:
            model = pretrained.load(place)
        except InputError:
            told["refused"] += 1
        else:
            told["whole"] += 1
            assert jax.tree.map(np.shape, nnx.state(model)) == shapes, (number, name, way)
        shutil.rmtree(place)
    print(told)
    assert told["refused"] > 80
