"""The tables of the studies of published models, and that what they measure is what they say."""

import numpy as np
import pytest

from experiments.families import cases as families
from experiments.families.page import cpu_table
from experiments.loading.page import load_table

HEAD = {"command": "python x.py", "commit": "0" * 40, "versions": {"jax": "1"}, "cpu": "a cpu", "cores": 2}


def told(forward, step, loss):
    return {"loss": loss, "gradient": 2.0, "seconds": {"forward": forward, "step": step}}


def test_a_family_that_is_behind_is_named():
    results = {"ours": told([1.0, 1.0], [2.0, 4.0], 5.0), "eager": told([2.0, 3.0], [1.0, 2.0], 5.0005)}
    results["sdpa"] = {"error": "has none"}
    table = cpu_table(HEAD | {"cases": [{"name": "bert", "model": "Bert", "results": results}]})
    assert "| bert | forward | 1.000 (1.000 to 1.000) | 2.50 (2.00 to 3.00) | - | 1e-04 | 0e+00 |" in table
    assert "| bert | step | 3.000 (2.000 to 4.000) | 0.50 (0.50 to 0.50) | - | 1e-04 | 0e+00 |" in table
    assert "Of 2 rows 1 are at least as fast as both peers; behind the faster peer: bert, step." in table


@pytest.mark.parametrize("case", families.CASES, ids=lambda case: case.name)
def test_a_case_has_a_label_for_each_place_that_has_logits(case):
    given, wanted = families.inputs(case), families.labels(case)
    assert wanted.shape == given["decoder_input_ids" if case.written else "input_ids"].shape
    assert ("global_attention_mask" in given) == case.windowed
    assert max(array.max() for array in given.values()) < 30000
    assert np.all(given["attention_mask"] == 1)


def test_loading_is_told_in_times_of_ours_and_of_the_weights():
    one = {"processor_seconds": 1.0, "read_seconds": 0.5, "import_seconds": 2.0}
    ours, theirs = one | {"seconds": 2.0, "peak_bytes": 4400}, one | {"seconds": 3.0, "peak_bytes": 8000}
    table = load_table(HEAD | {"parameters": 1000, "cases": {"one file": {"ours": [ours], "transformers": [theirs]}}})
    assert "| one file | ours | 2.00 (2.00 to 2.00) | 1 | 1.00 | 0.50 | 2.0 | 1.10 |" in table
    assert "1.50 times as fast as transformers (reaches 1); peak 1.10 times the weights (keeps 1.3)" in table
