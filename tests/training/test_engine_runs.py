"""The engine's options through train.py: averages, skipped steps, chunks of the loss, and a resume with all of them."""

import json
import re

import jax
import numpy as np
import pytest

from errors import InputError
from tests.training.conftest import read_lines
from tests.training.test_resume import start_and_kill
from training.mesh import ONE_DEVICE, make_mesh
from training.restore import restore_best

ALL_ON = (
    "optimizer.name=lion",
    "optimizer.ema=0.9",
    "optimizer.layer_decay=0.8",
    "optimizer.rules=((r'encoder\\.embeddings\\.position.*', {'learning_rate': 0.0}),)",
    "train.spike_factor=1.00001",  # some steps are skipped
    "train.max_skipped=50",
    "train.loss_chunk=8",
    "log.norms=True",
    "train.steps=60",
)


def test_a_killed_and_resumed_run_with_every_option_on_ends_with_the_same_bytes(tmp_path, run, arguments):
    run(tmp_path / "whole", *ALL_ON)
    assert start_and_kill(arguments(tmp_path / "killed", *ALL_ON), tmp_path / "killed", lines=6, delay=0.01)
    run(tmp_path / "killed", *ALL_ON)
    whole, killed = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed"))
    assert whole == killed
    one, other = (weights(tmp_path / name) for name in ("whole", "killed"))
    assert all(np.array_equal(one[path], other[path]) for path in one)
    lines = read_lines(tmp_path / "whole" / "metrics.jsonl")
    skipped = [line["skipped"] for line in lines if line["split"] == "train"]
    print("skipped", skipped)
    assert 0 < sum(skipped) < 60
    assert "gradient_norm/encoder.layers.0" in next(line for line in lines if "gradient_norm" in line)

    scores = {line["step"]: line["loss"] for line in lines if line["split"] == "validation"}
    again = evaluated(run, tmp_path / "whole")
    assert again["loss"] == scores[again["step"]]  # of the averages, as while it trained
    plain = evaluated(run, tmp_path / "whole", "train.loss_chunk=0")
    error = abs(plain["loss"] / again["loss"] - 1)
    print("relative difference of the chunked loss", error)  # 0 seen
    assert error < 2e-6
    assert plain["accuracy"] == again["accuracy"]


def evaluated(run, workdir, *changes):
    run(workdir, *ALL_ON, *changes, "mode=evaluate")
    return json.loads((workdir / "result_validation.json").read_text())


def weights(workdir):
    params, _ = restore_best(workdir / "checkpoints", make_mesh(ONE_DEVICE), best="loss", verify=True)
    return jax.device_get(params)


def test_the_run_ends_in_a_sentence_that_names_step_batch_and_layer(tmp_path, run):
    hot = ("optimizer.learning_rate=1e38", "optimizer.clip_norm=0.0", "train.max_skipped=3", "train.steps=30")
    with pytest.raises(
        FloatingPointError, match=r"steps 2 to 4 were skipped in a row .* the batch of step 2 \(seed 0"
    ) as told:
        run(tmp_path / "run", *hot)
    assert "in the output of encoder.layers.0.attention." in str(told.value)
    assert "the weights are still those of step 1" in str(told.value)
    (line,) = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert (line["step"], line["skipped"]) == (3, 2)
    assert not [path for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.isdigit()]


def test_bad_settings_are_refused_naming_the_key(tmp_path, run):
    with pytest.raises(InputError, match=re.escape("matches no parameter; the closest are encoder.layers.0")):
        run(tmp_path / "run", "optimizer.rules=(('encoder.layer.0.*', {'learning_rate': 0.0}),)")
    with pytest.raises(InputError, match=re.escape("train.loss_chunk=-1 must be at least 0")):
        run(tmp_path / "run", "train.loss_chunk=-1")
