"""The tables of the study of writing say what was measured."""

import pytest

from experiments.decoding.cases import CASES, PARAMETERS, prompts
from experiments.decoding.page import cpu_table, limit, memory_table

HEAD = {"command": "python x.py", "commit": "0" * 40, "versions": {"jax": "1"}, "cpu": "a cpu", "cores": 2}


def case(batch, ours, theirs):
    told = {"ours": {"seconds": {"write": ours}}, "transformers": {"seconds": {"write": theirs}}}
    told["transformers"]["seconds"] |= {"read": [0.02, 0.04], "product": [0.2, 0.3]}
    return {"batch": batch, "new": 100, "same": 1.0, "results": told}


def test_rates_ratios_and_the_limit_are_told():
    table = cpu_table(HEAD | {"cases": [case(1, [4.0, 2.0], [6.0, 6.0]), case(8, [10.0, 10.0], [10.0, 12.0])]})
    assert (
        "| 1 x 100 | 37.5 (25.0 to 50.0) | 16.7 (16.7 to 16.7) | 2.25 (1.50 to 3.00) | 50.0 | 75% | 100.0% |" in table
    )
    assert "| 8 x 100 | 80.0 (80.0 to 80.0) | 73.3 (66.7 to 80.0) | 1.10 (1.00 to 1.20) |" in table
    assert "1 of 2 rows reach 1.5 times transformers' tokens per second." in table


def test_numbers_are_read_as_fast_as_the_faster_peer_read_them():
    one = case(1, [4.0], [6.0]) | {"lookup": 4}
    one["results"]["ours"]["seconds"]["read"] = [0.01, 0.03]
    assert (
        "| 1 x 100, 4 looked up | 25.0 (25.0 to 25.0) | 16.7 (16.7 to 16.7) | 1.50 (1.50 to 1.50) | 100.0 | 25% |"
        in cpu_table(HEAD | {"cases": [one]})
    )


def test_the_limit_is_the_slower_of_reading_and_multiplying():
    assert limit(1, read=0.02, product=1e-9) == pytest.approx(50)
    rate = 2 * 2048**3 / 0.2  # operations per second
    assert limit(8, read=1e-9, product=0.2) == pytest.approx(rate / (2 * PARAMETERS))


def test_prompts_are_of_the_size_told():
    assert [prompts(each).shape for each in CASES] == [(1, 32), (8, 32), (1, 32)]


def test_memory_is_told_by_length():
    one = {"net": "longformer", "length": 65536, "cache": 2048, "temporary": 4096, "peak_mib": 300}
    assert "| longformer | 65,536 | 2 | 4 | 300 |" in memory_table(HEAD | {"cases": [one]})
