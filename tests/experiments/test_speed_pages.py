import copy
import dataclasses
import inspect
from unittest import mock

import pytest

from experiments.attention.turns import PeerWorker
from experiments.sizes.page import costs_table
from experiments.speed import gpt2_worker, products
from experiments.speed.cases import CASES, OURS, PRODUCTS_ALONE, SMOKE, inputs
from experiments.speed.encoder import ENVIRONMENT, Worker, _check
from experiments.speed.ours import sizes
from experiments.speed.page import (
    compile_time_table,
    encoder_table,
    gpt2_table,
    loop_table,
    matmul_rate,
    quickstart_table,
    ratios,
)
from experiments.speed.quickstart import summary
from models.config import TransformerConfig
from models.cost import TRAINING, band_pairs, encoder_flops
from models.transformer import Transformer
from ops.sliding_window import sliding_window_attention
from skeleton import Skeleton

HEAD = {"command": "python x.py", "commit": "0" * 40 + "+changes", "versions": {"jax": "1"}, "cpu": "a cpu", "cores": 2}
CASE = {
    "name": "a case",
    "same_model": ["bert eager"],
    "least": {"bert eager": 2.0, "bert sdpa": 1.0, "bert sdpa compiled": 1.0},
    "flops": 10**10,
    "results": {
        OURS: {"parameters": 5, "finite": True, "seconds": [1.0, 2.0, 4.0], "matmul_seconds": [0.2] * 3, "peak_mib": 9},
        "bert eager": {
            "parameters": 5, "finite": True, "seconds": [3.0, 3.0, 4.0], "matmul_seconds": [0.1] * 3, "peak_mib": 8,
        },
        "bert sdpa": {
            "parameters": 6, "finite": True, "seconds": [2.0, 4.0, 8.0], "matmul_seconds": [0.4] * 3, "peak_mib": 7,
        },
        "bert sdpa compiled": {"error": "no compiler"},
    },
}  # fmt: skip


def test_ratios_are_formed_within_a_round_before_their_median_is_taken():
    assert ratios(CASE, "bert eager") == [3.0, 1.5, 1.0]
    table = encoder_table(HEAD | {"cases": [CASE]})
    assert "| a case | bert eager | 3.000 (3.000 to 4.000) | 1.50 (1.00 to 3.00) |" in table
    assert "1.50 times as fast as bert eager (misses 2); 2.00 times as fast as bert sdpa (reaches 1)\n" in table
    assert "does not run: no compiler" in table
    assert "commit 0000000+" in table


def test_the_share_is_of_the_faster_librarys_matmul_rate():
    assert matmul_rate(CASE) == pytest.approx(2 * 2048 * 768 * 3072 / 0.1)
    assert f"| 5 | {5e9 / matmul_rate(CASE):.0%} | 9 |" in encoder_table(HEAD | {"cases": [CASE]})


def test_ours_is_set_beside_its_products_alone():
    alone = {"parameters": 1, "finite": True, "seconds": [0.8, 1.0, 4.0], "matmul_seconds": [0.1] * 3, "peak_mib": 3}
    case = CASE | {"most": {PRODUCTS_ALONE: 1.4}, "product_flops": 2 * 10**10}
    case["results"] = CASE["results"] | {PRODUCTS_ALONE: alone}
    table = encoder_table(HEAD | {"cases": [case]})
    rate = matmul_rate(case)
    assert f"| a case | products | 1.000 (0.800 to 4.000) | 0.80 (0.50 to 1.00) | 20 | {2e10 / rate:.0%} | 3 |" in table
    assert "takes 1.25 times (keeps 1.4) as long as its matrix products alone" in table
    assert "100.0% more operations" in table
    assert f"{2.0 / (1e10 / rate):.2f} times (exceeds 1.4) as long as its operations" in table


def test_the_products_alone_are_counted_as_the_compiler_counts_them():
    case = dataclasses.replace(SMOKE[1], length=200)
    program = products.Products(case, PRODUCTS_ALONE)
    assert program.finite()
    counted = program.program.lower(*program.inputs).compile().cost_analysis()["flops"]
    band = products.band(case)
    blocks, _, _ = band.sizes(200, 200)
    steps = blocks * 12 // band.heads  # the compiler counts the body of a loop once
    assert steps == 2 * 3
    assert counted == products.dense_flops(case) + products.block_flops(case) / steps


def test_the_products_alone_are_those_of_the_step_but_for_whole_blocks_and_scores_made_anew():
    for length in (200, 1024, 4096):
        case = dataclasses.replace(next(case for case in CASES if case.family == "longformer"), length=length)
        step = TRAINING * encoder_flops(sizes(case), length)  # without the global token
        band = products.band(case)
        blocks, rows, span = band.sizes(length, length)
        pairs = 7 * blocks * rows * span - 6 * band_pairs(length, 256)
        assert products.product_flops(case) - step == 2 * 2 * 768 * pairs
    assert inspect.signature(sliding_window_attention).parameters["block"].default == products.BLOCK


class _Sized:
    name, same_model = "a case", ("bert eager",)


def test_unequal_models_and_nan_are_not_compared():
    _check(_Sized, CASE["results"])
    for name, change, told in (
        ("bert eager", {"parameters": 6}, "bert eager has 6 parameters, ours 5"),
        ("bert sdpa", {"finite": False}, "of bert sdpa is not finite"),
        (OURS, {"error": "it fell"}, "it fell"),
    ):
        results = copy.deepcopy(CASE["results"])
        results[name] |= change
        with pytest.raises(RuntimeError, match=told):
            _check(_Sized, results)


class _NoCase:
    def to_json(self) -> dict:
        return {}


def test_a_worker_that_dies_is_told_with_its_last_words():
    worker = Worker(_NoCase(), OURS)
    try:
        with pytest.raises(RuntimeError, match=r"ours stopped: TypeError: Case\.__init__\(\) missing"):
            worker.ask("check")
    finally:
        worker.close()


@pytest.mark.parametrize(("worker", "device"), [(Worker, "cpu"), (PeerWorker, "cpu"), (PeerWorker, "gpu")])
def test_every_peer_has_the_same_environment(monkeypatch, worker, device):
    started = {}

    def popen(*_, env, **__):
        started.update(env)
        return mock.Mock()

    monkeypatch.setattr("subprocess.Popen", popen)
    case = _NoCase()
    case.device = device
    worker(case, OURS).close()
    assert started.items() >= ENVIRONMENT.items()
    assert started.get("JAX_PLATFORMS") == "cpu" or started["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_the_cases_are_those_that_were_promised():
    sizes = {(case.family, case.batch, case.length, case.dropout) for case in CASES}
    promised = {("bert", 8, 128), ("bert", 2, 512), ("longformer", 1, 4096)}
    assert sizes == {(*each, dropout) for each in promised for dropout in (0.0, 0.1)}
    long = inputs(next(case for case in CASES if case.family == "longformer"))
    assert long["global_attention_mask"].sum() == 1
    assert long["input_ids"].min() >= 5


def test_data_waiting_is_weighted_by_the_time_that_each_line_covers():
    lines = [
        {"step": 1, "seconds_to_first_step": 12.5},
        {"step": 10, "step_seconds": 0.1, "data_wait_share": 0.3, "tokens_per_second": 100.0},
        {"step": 20, "step_seconds": 0.3, "data_wait_share": 0.1, "tokens_per_second": 200.0},
    ]
    told = summary(lines)
    assert told["seconds_to_first_step"] == 12.5
    assert told["steps"] == 20
    assert told["data_wait_share"] == pytest.approx((1 * 0.3 + 3 * 0.1) / 4)
    assert told["tokens_per_second"] == pytest.approx((100 + 3 * 200) / 4)
    assert "| cold | 12.5 | 15.00% | 175 | 20 |" in quickstart_table(HEAD | {"starts": [{"cache": "cold"} | told]})


def test_the_table_of_sizes_sets_both_models_side_by_side():
    cost = {"size": "tiny", "length": 4096, "parameters": 2e6, "flops_per_token": 3e6}
    costs = [
        cost | {"model": "transformer", "peak_bytes": 3 * 2**30, "step_seconds": None},
        cost | {"model": "longformer", "peak_bytes": 2**30, "step_seconds": 0.5},
        cost | {"size": "large", "model": "transformer", "peak_bytes": 1, "step_seconds": None},  # stopped here
    ]
    table = costs_table(HEAD | {"costs": costs})
    assert "| tiny | 4,096 | 2.0 / 2.0 | 3 / 3 | 3.00 / 1.00 | - / 0.50 | Longformer 3.0x | - |" in table
    assert "large" not in table


def test_a_deep_stack_is_set_beside_a_shallow_one():
    case = {"model": "transformer", "peak_bytes": 2**30, "parameters": 1}
    cases = [
        case | {"scan": scan, "depth": depth, "seconds": seconds}
        for scan, depth, seconds in ((True, 6, [5.0]), (True, 24, [6.0]), (False, 6, [5.0]), (False, 24, [20.0]))
    ]
    table = compile_time_table(HEAD | {"cases": cases})
    assert "| transformer, scanned | 6 and 24 | 5.0 (5.0 to 5.0) | 6.0 (6.0 to 6.0) | 1.20 (keeps 1.3) |" in table
    assert "| 4.00 |" in table


def test_what_the_loop_adds_is_formed_within_a_pair_of_blocks():
    seconds = {
        "loop": {"loop": [1.02, 4.04, 3.0], "alone": [1.0, 4.0, 2.0]},
        "saving": {"loop": [1.1, 2.2, 1.0], "alone": [1.0, 2.0, 1.0]},
        "often": {"loop": [2.0], "alone": [1.0]},
    }
    table = loop_table(HEAD | {"block": 10, "seconds": seconds, "asked": {"loop": 0.03, "saving": 0.05}})
    assert "| loop | 300.0 (102.0 to 404.0) | 200.0 (100.0 to 400.0) | 2.0 (1.0 to 50.0), keeps 3 | - |" in table
    assert "| 10.0 (0.0 to 10.0) | 8.0, exceeds 5 |" in table
    assert "| 100.0 (100.0 to 100.0) | 98.0 |" in table


def test_a_gpt2_step_is_set_beside_pytorchs():
    ours = {"seconds": [2.0, 4.0], "peak_mib": 3000, "planned": 2**30, "loss": 10.8, "parameters": 1}
    results = {
        OURS: ours,
        "gpt2 sdpa": ours | {"seconds": [3.0, 4.0], "planned": None},
        "gpt2 eager": {"error": "none"},
    }
    memory = {"rows": 8, "results": {"chunked": {"planned": 3 * 2**30, "peak_mib": 4096}}}
    table = gpt2_table(HEAD | {"flops": 3 * 10**9, "results": results, "memory": memory})
    assert "| chunked | 8 | 3,072 | 4,096 |" in table
    assert "| gpt2 sdpa | 3.50 (3.00 to 4.00) | 1.25 (1.00 to 1.50) | 1 | - | 3,000 | 10.80 |" in table
    assert "does not run: none" in table


def test_gpt2_has_its_124_million_parameters():
    sizes = {"vocab_size": gpt2_worker.VOCAB, "width": gpt2_worker.WIDTH, "depth": gpt2_worker.DEPTH}
    sizes |= {"heads": gpt2_worker.HEADS, "mlp_width": 4 * gpt2_worker.WIDTH, "max_positions": gpt2_worker.LENGTH}
    net = Skeleton(lambda rngs: Transformer(TransformerConfig(**sizes), rngs=rngs))
    assert net.parameter_count == 124_439_808
