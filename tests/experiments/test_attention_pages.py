import dataclasses

import numpy as np
import pytest

from experiments.attention import correctness, masked_lm
from experiments.attention.cases import GPU, GPU_SMOKE, HEADS
from experiments.attention.core import check, flops
from experiments.attention.gpu import apart
from experiments.attention.gpu_page import gpu_table
from experiments.attention.page import long_row_table
from experiments.attention.scaling import lines, staying
from experiments.sizes import measure as sizes
from experiments.speed.encoder import last_words
from models.cost import TRAINING, masked_lm_flops
from ops.masks import window_mask

HEAD = {"command": "python x.py", "commit": "0" * 40, "versions": {"jax": "1"}, "cpu": "a cpu", "cores": 2}
PART = HEAD | {"device": "a chip", "device_bytes": 80 * 2**30, "platform": "gpu", "peak_flops": 1e15}


def timed(step, **more):
    seconds = {"forward": step, "step": step, "matmul": [1e-3] * len(step)}
    return {"finite": True, "seconds": seconds, "peak_mib": 5} | more


def test_peers_that_differ_or_are_not_finite_lose_their_times():
    right = np.ones((4, 3)).tolist()
    results = {
        "ours xla": timed([1.0], values=right),
        "ours triton": timed([1.0], values=(1.02 * np.ones((4, 3))).tolist()),
        "flex": timed([1.0], values=(1.5 * np.ones((4, 3))).tolist()),
        "sdpa": timed([1.0], values=np.zeros((4, 3)).tolist()),  # attends to all pairs: not compared
    }
    check(GPU, results)
    assert results["ours triton"]["difference"] == pytest.approx(0.02)
    assert results["flex"] == {"error": "it differs by 5.0e-01 of the largest number"}
    assert "error" not in results["sdpa"]
    with pytest.raises(RuntimeError, match="16x4096: out of memory"):
        check(GPU, {"ours xla": {"error": "out of memory"}})
    bad = {name: timed([1.0], values=right) for name in GPU.peers} | {"sdpa": timed([1.0], values=right, finite=False)}
    check(GPU, bad)
    assert bad["sdpa"] == {"error": "a result is not finite"}


def test_operations_of_the_core_are_those_of_the_pairs_that_are_seen():
    case = dataclasses.replace(GPU_SMOKE, length=100, rows=2, window=7)
    pairs = int(window_mask(100, window=7).sum())
    assert flops(case) == {"forward": 2 * 2 * 2 * pairs * 64 * HEADS, "step": 3 * 2 * 2 * 2 * pairs * 64 * HEADS}


def test_the_gpu_page_tells_what_is_reached_and_what_does_not_run():
    errors = [
        {"dtype": "bfloat16", "precision": "default", "implementation": name, "values": 1e-3, "gradients": error}
        | {"agrees": error < 0.1}
        for name, error in (("xla", 2e-3), ("triton", 0.5))
    ]
    case = GPU.to_json() | {"flops": flops(GPU)}
    rate = 2 * 8192**3 / 1e-3
    fast = case["flops"]["step"] / rate / 0.6  # 60 % of the rate
    case["results"] = {
        "ours xla": timed([10 * fast] * 3),
        "ours triton": timed([fast] * 3, difference=0.004),
        "flex": timed([2 * fast, 1.5 * fast, fast]),
        "sdpa": {"error": "no such thing"},
    }
    run = {"size": "base", "length": 4096, "rows": 8, "implementation": "triton", "dropout": 0.1, "seconds": [1.0, 2.0]}
    run |= {"flops": 6 * 10**14, "matmul_rate": 5e14, "peak_bytes": 2**30}
    row = {"tokens": 2**20, "depth": 12, "dtype": "bfloat16", "implementation": "triton", "error": "it fell"}
    parts = {
        "correctness": [{"name": "plain", "length": 2048, "errors": errors}, {"name": "causal", "error": "a fault"}],
        "core": [case],
        "step": [run, run | {"rows": 16, "error": "the step holds 90 GiB, more than there is"}],
        "long_row": [row],
    }
    table = gpu_table({"parts": {name: PART | {"results": results} for name, results in parts.items()}})
    for told in (
        "On a chip, 80 GiB: `python x.py`",
        "| shape | tokens | type | xla: values, gradients | triton: values, gradients |  |",
        "| plain | 2,048 | bfloat16 | 1e-03, 2e-03 | 1e-03, 5e-01 | differs |",
        "| causal | - | - | - | - | does not run: a fault |",
        "- 0 of 2 shapes agree in every type",
        "ours triton: 60.0% of the matmul rate (reaches 50%), 1.50 times as fast as FlexAttention (reaches 1.2), "
        "within 4e-03 of ours xla",
        "ours xla: 6.0% of the matmul rate (misses 50%), 0.15 times as fast as FlexAttention (misses 1.2)",
        "| no time: no such thing |",
        "| base | 4,096 | 8 | triton | 0.1 | 1.5000 (1.0000 to 2.0000) | 21,845 | 400.0 | 80% | 40.0% | 1.0 |",
        "| base | 4,096 | 16 | triton | 0.1 | does not run: the step holds 90 GiB, more than there is |",
        "- at best 40.0% of 1000 TFLOP/s (misses 45%)",
        "| 1,048,576 | 12 | bfloat16 | triton | does not run: it fell |",
    ):
        assert told in table


def test_a_measurement_that_fails_leaves_its_error():
    assert apart(last_words_of_nobody) == {"error": "ValueError: first line"}


def last_words_of_nobody():
    raise ValueError("first line\nsecond line")


def test_the_last_words_of_a_process_are_its_error_not_the_advice_after_it():
    told = "Traceback (most recent call last):\n  x()\na.b.CompilerError: no kernel\n\nSet X=1 for more.\n"
    assert last_words(told) == "a.b.CompilerError: no kernel"
    assert last_words("Killed\n") == "Killed"
    assert last_words("") == "it said nothing"


@pytest.mark.parametrize("shape", [correctness.SMOKE[0]], ids=lambda shape: shape.name)
def test_a_program_is_compared_with_exact_products_of_the_same_numbers(shape):
    errors = correctness.measure(dataclasses.replace(shape, length=24), "xla")["errors"]
    assert all(each["agrees"] for each in errors)
    assert {each["values"] for each in errors if each["precision"] == "highest"} == {0.0}
    assert all(each["values"] > 1e-4 for each in errors if each["dtype"] == "bfloat16")
    wrong = [np.ones(3), np.array([1.0, np.nan])]
    assert correctness._errors(wrong, [np.ones(3), np.ones(2)])["gradients"] > 1e30


@pytest.mark.slow
def test_the_timed_step_is_that_of_as_many_rows(monkeypatch):
    tiny = {"width": 16, "depth": 1, "heads": 2, "mlp_width": 32}
    monkeypatch.setitem(sizes.SIZES, "tiny", tiny)
    monkeypatch.setitem(sizes.VOCABULARIES, "tiny", 64)
    monkeypatch.setitem(sizes.WINDOWS, "tiny", 4)
    run = masked_lm.Run(rows=3, implementation="xla", size="tiny", length=32, calls=1, product=16)
    cfg = masked_lm.config(run)
    assert (cfg.dtype, cfg.dropout_rate, cfg.attention_dropout_rate) == ("bfloat16", 0.1, 0.1)
    batch = masked_lm.batch_of(cfg, 3, 32)
    assert {array.shape[0] for array in batch.values()} == {3}
    assert len(np.unique(batch["input_ids"], axis=0)) == 3
    measured = masked_lm.measure(run)
    predicted = batch["labels"].shape[1]
    assert measured["flops"] == 3 * TRAINING * masked_lm_flops(cfg, 32, predicted, global_tokens=1)
    assert len(measured["seconds"]) == masked_lm.ROUNDS
    assert np.isfinite(measured["loss"])


def test_a_peer_leaves_before_it_takes_too_long_or_too_much():
    def result(seconds, mib):
        return {"seconds": {"step": [seconds]}, "peak_mib": mib}

    results = {"ours": result(20.0, 4000), "transformers": result(31.0, 10), "dense": result(1.0, 3000)}
    assert staying({"results": results}) == ("ours",)
    report = {"cases": [{"length": 1024, "results": results, "temporary_bytes": {"ours": 2**20, "dense": 2**30}}]}
    report["cases"].append({"length": 2048, "results": {"ours": {"error": "x"}}, "temporary_bytes": {"dense": 2**32}})
    assert lines(report, "time")["ours", "step"] == [(1024, 20.0)]
    assert lines(report, "memory")["dense", "planned"] == [(1024, 1024.0), (2048, 4096.0)]


def test_a_long_row_is_told_with_its_program():
    told = HEAD | {
        "tokens": 65536,
        "depth": 12,
        "dtype": "float32",
        "implementation": "auto",
        "seconds": [300.0, 200.0],
    }
    told |= {"temporary_bytes": 2**33, "peak_mib": 10240, "device_peak_bytes": None, "loss": 1.5, "finite": True}
    row = "| 65,536 | 12 | float32 | auto | 200 | 8.0 | 10.0 | - | 1.500 | finite |"
    assert row in long_row_table(told)
