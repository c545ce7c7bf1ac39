import numpy as np
import pytest

from data.masking import predictions_per_row
from errors import InputError
from experiments.costs.fit import fitted, left_out
from experiments.costs.measure import MODELS, Shape, drawn, measured, published
from experiments.costs.page import points_table
from experiments.costs.terms import MEMORY, TIME
from experiments.sizes.measure import MASKED
from models.cost import step_flops

PRICES = {"products": 1e-11, "attention": 3e-11, "activations": 2e-8, "logits": 1e-9, "parameters": 1e-9, "step": 1e-3}


def parameters(shape: Shape) -> int:
    return shape.vocabulary * shape.width + 12 * shape.depth * shape.width**2


def made(shape: Shape, *, withheld: bool, slower: float = 1.0) -> dict:
    """A point whose memory and time are exactly those of PRICES, `slower` times as long."""
    terms = shape.terms(parameters(shape))
    cost = {name: PRICES[name] * amount for name, amount in terms.items()}
    fields = {field: getattr(shape, field) for field in Shape.__dataclass_fields__}
    return fields | {
        "parameters": parameters(shape),
        "bytes": 1e9 * sum(cost[name] for name in MEMORY),
        "seconds": slower * sum(cost[name] for name in TIME),
        "withheld": withheld,
    }


@pytest.mark.parametrize("model", MODELS)
def test_prices_that_made_the_points_are_found_again_and_predict_those_left_out(model):
    points = [shape.terms(parameters(shape)) for shape in drawn(model, 16, seed=1)]
    seconds = [sum(PRICES[name] * point[name] for name in TIME) for point in points]
    prices = fitted(TIME, points, seconds)
    assert prices.by_term == pytest.approx({name: PRICES[name] for name in TIME}, rel=1e-6)
    np.testing.assert_allclose(left_out(TIME, points, seconds), 0, atol=1e-9)
    seconds[3] *= 2
    assert left_out(TIME, points, seconds)[3] == pytest.approx(-0.5, abs=1e-9)


def test_too_few_points_or_a_step_without_time_are_one_sentence():
    points = [shape.terms(0) for shape in drawn("transformer", 5, seed=0)]
    with pytest.raises(InputError, match="4 points cannot tell the prices of 5 terms"):
        fitted(TIME, points[:4], [1.0] * 4)
    with pytest.raises(InputError, match="took no time"):
        fitted(TIME, points, [1.0, 1.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize("model", MODELS)
def test_products_and_attention_are_all_operations_of_the_step(model):
    for shape in (*drawn(model, 4, seed=2), published(model, 1024)):
        counted = shape.terms(0)
        whole = step_flops(
            shape.config,
            rows=shape.rows,
            length=shape.length,
            predicted=predictions_per_row(MASKED, shape.length),
            global_tokens=model == "longformer",
        )
        slots = shape.config.max_global_tokens if model == "longformer" else 0
        assert slots in (0, 1)  # what the measured step has, or the counts would differ
        assert counted["products"] + counted["attention"] == whole


@pytest.mark.parametrize("model", MODELS)
def test_shapes_are_the_same_in_each_process_all_different_and_within_the_bounds(model):
    shapes = drawn(model, 26, seed=0)
    assert shapes == drawn(model, 26, seed=0)
    assert len(set(shapes)) == 26
    assert shapes[:20] == drawn(model, 20, seed=0)  # more withheld ones do not change those that are fitted to


def test_the_page_tells_prices_and_how_far_off_each_withheld_step_is():
    points = []
    for model in MODELS:
        shapes = drawn(model, 14, seed=0)
        points += [made(shape, withheld=index >= 12) for index, shape in enumerate(shapes[:-1])]
        points.append(made(shapes[-1], withheld=True, slower=0.8))
    report = {"command": "c", "commit": "0" * 40, "versions": {}, "cpu": "a", "cores": 2, "points": points}
    table = points_table(report)
    assert table.count("10.00 ms a GFLOP of dense products") == 2
    assert table.count("fitted to 12 steps, each left out once: off by 0% (median), 0% at most") == 4
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith(("| transformer", "| longformer"))]
    assert [row[-1].strip(" |") for row in rows] == ["+0%", "+25%"] * 2


def test_a_measured_step_holds_its_state_and_takes_time(monkeypatch):
    monkeypatch.setattr("experiments.sizes.measure.ENOUGH", 0.0)
    shape = Shape("longformer", width=64, depth=1, length=64, rows=2, window=8, vocabulary=64)
    point = measured(shape)
    assert point["bytes"] > 3 * 4 * point["parameters"]  # parameters and Adam's two moments, float32
    assert point["seconds"] > 0
