"""mode=plan: what a run would need, before it."""

import json
import re

import jax
import pytest

from errors import InputError
from models import Longformer, LongformerConfig, MaskedLM
from skeleton import Skeleton
from training.chips import chip
from training.forecast import Forecast, advice, told


@pytest.fixture(scope="module")
def planned(tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("planned") / "run"
    run(workdir, "mode=plan", "plan.tflops=0.5")
    return workdir


def test_a_plan_says_what_the_step_holds_and_trains_nothing(planned, run, capfd):
    plan = json.loads((planned / "plan.json").read_text())
    config = json.loads((planned / "config.json").read_text())["model"]
    names = {"vocab_size", *LongformerConfig.__dataclass_fields__} & config.keys()
    sizes = {name: tuple(v) if isinstance(v := config[name], list) else v for name in names}
    cfg = LongformerConfig(**sizes | {"vocab_size": 400})
    net = Skeleton(lambda rngs: MaskedLM(Longformer(cfg, rngs=rngs), rngs=rngs))
    assert plan["parameters"] == net.parameter_count
    assert plan["state"] > 3 * 4 * plan["parameters"]  # float32 parameters and two moments
    assert plan["tokens"] == 8 * 32
    assert plan["temporaries"] > 0
    assert plan["seconds"] == plan["flops"] / 0.5e12
    assert plan["fits"]
    assert not (planned / "checkpoints").exists()
    run(
        planned, "train.steps=1", "optimizer.warmup_steps=0", "evaluation.batches=1"
    )  # the directory is still free to use
    assert "step 1  validation" in capfd.readouterr().out


def test_a_plan_that_does_not_fit_says_what_would_make_it_smaller(tmp_path, run, capfd):
    run(tmp_path / "run", "mode=plan", "plan.memory_gib=0.0001")
    out = capfd.readouterr().out
    assert re.search(r"GFLOP/s a device, a float32 product\)", out)
    assert "it does not fit. What would make it smaller:\n    --config." in out
    assert "--config.train.accumulation=4" in out


def test_a_plan_is_that_of_the_longest_rows_and_says_so(tmp_path, run, capfd):
    texts = ["good"] * 79 + ["good " * 40]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": t, "label": "good"}) + "\n" for t in texts))
    settings = (f"data.train={tmp_path / 'train.jsonl'}", "plan.tflops=0.5")
    run(tmp_path / "run", "mode=plan", *settings, recipe="tiny_classifier.py")
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["batch"] > 2 * 4 * 8 * 32  # ids and mask of 8 rows of 32 tokens; those of the first batch are of 16
    assert ", rows of 32 tokens, the longest, compiled in" in capfd.readouterr().out


@pytest.mark.slow
def test_what_a_run_starts_from_gives_a_plan_its_tokenizer_and_is_looked_at(tmp_path, run):
    first = tmp_path / "first"
    run(first, "tokenizer.vocab_size=270", "train.steps=1", "optimizer.warmup_steps=0", "evaluation.batches=1")
    run(tmp_path / "run", "mode=plan", "plan.tflops=0.5", f"init_from={first}")
    used, theirs = (d / "tokenizer" / "tokenizer.json" for d in (tmp_path / "run", first))
    assert used.read_bytes() == theirs.read_bytes()
    with pytest.raises(InputError, match="nowhere is no work directory"):
        run(tmp_path / "run", "mode=plan", "init_from=nowhere")


def test_a_topology_that_cannot_be_compiled_for_is_one_sentence(tmp_path, run):
    with pytest.raises(InputError, match=r"plan.topology='nowhere:9x9' cannot be compiled for .* write one such as"):
        run(tmp_path / "run", "mode=plan", "plan.topology=nowhere:9x9")


@pytest.mark.parametrize("key", ["plan.memory_gib=-1.0", "plan.tflops=-1.0"])
def test_a_device_of_less_than_nothing_is_refused(tmp_path, run, key):
    with pytest.raises(InputError, match=key.replace(".0", "") + " must be above 0, or 0 for what is known"):
        run(tmp_path / "run", "mode=plan", key)


def test_what_helps_comes_first_and_what_is_done_is_left_out(planned):
    from ml_collections import ConfigDict

    config = ConfigDict(json.loads((planned / "config.json").read_text()))
    values = {
        "parameters": 10**9,
        "tokens": 512,
        "length": 64,
        "flops": 1e12,
        "batch": 1,
        "devices": 8,
        "kind": "TPU v5 lite",
    }
    values |= {"memory": 16e9, "rate": 197e12, "rate_told": "its peak", "compile_seconds": 1.0}
    heavy = Forecast(**values, state=1, temporaries=17 * 10**9)
    assert advice(heavy, config)[0].startswith("--config.model.remat=full")
    config.model.remat, config.model.scan = "full", True
    assert advice(heavy, config)[0].startswith("--config.train.accumulation=4")
    wide = Forecast(**values, state=17 * 10**9, temporaries=1)
    assert advice(wide, config)[0].startswith("--config.mesh.fsdp")
    lines = "\n".join(told(wide, config, steps=10**6))
    assert "of 14.90 GiB" in lines
    assert "at half the peak" in lines


@pytest.mark.parametrize(
    ("kind", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L4", 121),
        ("TPU v5 lite", 197),
        ("TPU v5e", 197),
        ("TPU v5", 459),
        ("TPU v5p", 459),
        ("TPU v4", 275),
    ],
)
def test_chips_are_known_by_what_jax_calls_them(kind, tflops):
    assert chip(kind).flops == tflops * 1e12


def test_a_device_whose_name_only_begins_like_a_chips_is_not_that_one():
    kinds = ("NVIDIA L40", "NVIDIA L40S", "NVIDIA H100X", "TPU v4 lite", "TPU v50", jax.devices("cpu")[0].device_kind)
    assert not any(map(chip, kinds))
