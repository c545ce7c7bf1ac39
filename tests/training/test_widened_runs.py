"""A Longformer that starts from a Transformer's run."""

import json

import numpy as np
import pytest

from errors import InputError
from layer_stacks import arranged
from training.mesh import ONE_DEVICE, make_mesh
from training.restore import restore_best

NET = ("model.depth=2", "data.global_tokens=first")
LEARNS = (*NET, "train.steps=4", "evaluation.every=4", "optimizer.warmup_steps=1")
STILL = (*NET, "train.steps=1", "evaluation.every=1", "optimizer.warmup_steps=0", "optimizer.learning_rate=0.")
TRANSFORMER = "model.name=transformer"
SCANNED = "model.scan=True"


@pytest.fixture(scope="module")
def short(tmp_path_factory, run):
    """Its layers are written out."""
    workdir = tmp_path_factory.mktemp("short") / "run"
    run(workdir, *LEARNS, TRANSFORMER)
    return workdir


def loss(workdir) -> float:
    return json.loads((workdir / "result_validation.json").read_text())["loss"]


def weights(workdir) -> dict:
    return restore_best(workdir / "checkpoints", make_mesh(ONE_DEVICE), best="loss", verify=True)[0]


@pytest.mark.slow
def test_a_longformer_whose_window_holds_the_row_begins_as_the_transformer_that_it_starts_from(
    short, tmp_path, run, capsys
):
    capsys.readouterr()
    run(tmp_path / "run", *STILL, SCANNED, f"init_from={short}", "model.windows=(32,)")
    told = capsys.readouterr().out
    assert "fresh here" not in told
    assert "not used" not in told
    assert "model.name is longformer here, windows of 32; in" in told
    assert "model.windows is" not in told
    difference = abs(loss(tmp_path / "run") - loss(short))
    print(f"validation loss {loss(short):.6f}, off by {difference:.1e}")
    assert difference < 2e-6
    given, taken = weights(short), arranged(weights(tmp_path / "run"), [])
    assert set(taken) - set(given) == {name for name in taken if "_global." in name} != set()
    for name, value in taken.items():
        np.testing.assert_array_equal(value, given[name.replace("_global.", ".")])


@pytest.mark.slow
def test_its_global_projections_learn_apart_and_neither_net_is_taken_for_the_other(short, tmp_path, run):
    run(tmp_path / "run", *LEARNS, f"init_from={short}")
    taken = weights(tmp_path / "run")
    for name in (name for name in taken if name.endswith("_global.kernel")):
        assert np.abs(taken[name] - taken[name.replace("_global.", ".")]).max() > 0
    with pytest.raises(InputError, match=r"model\.name is 'transformer' there and 'longformer' here"):
        run(tmp_path / "asked", *NET, f"init_from={short}", "mode=evaluate")
    with pytest.raises(InputError, match=r"model\.name is 'longformer' there and 'transformer' here"):
        run(tmp_path / "back", *LEARNS, TRANSFORMER, f"init_from={tmp_path / 'run'}")
