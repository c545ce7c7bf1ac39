import inspect
import json

import numpy as np
import pytest

from data.masking import predictions_per_row
from errors import InputError
from experiments.costs.__main__ import LEAST, main, planned
from experiments.costs.fit import Prices, fitted, fitted_peak, left_out
from experiments.costs.measure import MODELS, Shape, drawn, measured, published
from experiments.costs.page import SECONDS, points_table
from experiments.costs.terms import BLOCK, LAYERS, TIME
from experiments.sizes.measure import MASKED
from models.cost import step_flops
from ops.sliding_window import sliding_window_attention

PRICES = {"products": 1e-11, "attention": 3e-11, "band": 2e-11, "activations": 2e-7, "logits": 1e-8, "parameters": 9e-9}
PRICES |= {"step": 1e-2}
HELD = {"parameters": 16.0, "activations": 120.0, "logits": 8.0}
WORKED = {"parameters": 30.0}  # bytes, while the optimizer works; more than there are, so that both moments occur


def parameters(shape: Shape) -> int:
    return shape.vocabulary * shape.width + 12 * shape.depth * shape.width**2


def memory(terms: dict) -> float:
    return max(*(sum(price * terms[name] for name, price in prices.items()) for prices in (HELD, WORKED)))


def seconds(terms: dict) -> float:
    return sum(price * terms[name] for name, price in PRICES.items())


def made(shape: Shape, *, withheld: bool, slower: float = 1.0) -> dict:
    """A point whose memory and time are exactly those of the prices above, `slower` times as long."""
    terms = shape.terms(parameters(shape))
    fields = {field: getattr(shape, field) for field in Shape.__dataclass_fields__}
    cost = {"parameters": parameters(shape), "bytes": memory(terms), "seconds": slower * seconds(terms)}
    return fields | cost | {"withheld": withheld}


def test_prices_that_made_the_points_are_found_again_and_predict_those_left_out():
    points = [shape.terms(parameters(shape)) for model in MODELS for shape in drawn(model, 10, seed=1)]
    times = [seconds(point) for point in points]
    assert fitted(TIME, points, times).by_term == pytest.approx(PRICES, rel=1e-6)
    np.testing.assert_allclose(left_out(SECONDS, points, times), 0, atol=1e-9)
    times[3] *= 2
    assert left_out(SECONDS, points, times)[3] == pytest.approx(-0.5, abs=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_both_moments_at_which_memory_may_be_largest_are_found(model):
    points = [shape.terms(parameters(shape)) for shape in drawn(model, 26, seed=1)]
    held = [memory(point) for point in points]
    at_work = sum(
        value == WORKED["parameters"] * point["parameters"] for point, value in zip(points, held, strict=True)
    )
    assert 0 < at_work < len(points)  # or one of the moments was not there to be found
    peak = fitted_peak(LAYERS, Prices(WORKED), points, held)
    assert peak.layers.by_term == pytest.approx(HELD, rel=1e-3)
    assert [peak.predict(point) for point in points] == pytest.approx(held, rel=1e-3)


def test_too_few_points_or_a_step_without_time_are_one_sentence():
    points = [shape.terms(0) for shape in drawn("transformer", 7, seed=0)]
    with pytest.raises(InputError, match="4 points cannot tell the prices of 7 terms"):
        fitted(TIME, points[:4], [1.0] * 4)
    with pytest.raises(InputError, match="took no time"):
        fitted(TIME, points, [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("options", [["--fit=3"], ["--withheld=-1"], ["--rounds=0"]])
def test_too_few_shapes_are_refused_before_any_is_measured(options, tmp_path, capsys):
    assert main([*options, f"--out={tmp_path / 'points.json'}"]) == 2
    assert "--fit should be 4 or more, --withheld 0 or more, --rounds 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "points.json").exists()
    assert min(2 * LEAST - 1 - len(TIME), LEAST - 1 - len(LAYERS)) >= 0


def test_rounds_meet_all_shapes_in_other_orders_and_go_on_where_they_stopped(tmp_path, monkeypatch, capsys):
    shapes = [shape for shape, _ in planned(8, 2)]
    lost = len(shapes) + 8  # in the second round
    turns, slow, machine = [], 3.0, 3.0  # all of it from a machine that is three times as slow

    def measure(shape):
        turns.append(shape)
        if len(turns) == lost:
            raise KeyboardInterrupt
        return made(shape, withheld=False, slower=slow) | {"beside": machine * 0.4}

    told = {"command": "c", "commit": "0" * 40, "versions": {}, "cpu": "a", "cores": 2}
    monkeypatch.setattr("experiments.costs.__main__.measured", measure)
    monkeypatch.setattr("experiments.machine.provenance", lambda *_: dict(told))
    command = ["--fit=8", "--withheld=2", "--rounds=2", f"--out={tmp_path / 'points.json'}"]
    with pytest.raises(KeyboardInterrupt):
        main(command)
    slow, machine = 1.5, 1.0
    assert main(command) == 0
    del turns[lost - 1]
    first, second = turns[: len(shapes)], turns[len(shapes) :]
    assert set(first) == set(second) == set(shapes)
    assert len({tuple(first), tuple(second), tuple(shapes)}) == 3  # orders
    points = json.loads((tmp_path / "points.json").read_text())["points"]
    slower = {
        shape: point["seconds"] / made(shape, withheld=False)["seconds"]
        for point, shape in zip(points, shapes, strict=True)
    }
    wanted = dict.fromkeys(second[:7], 1.0) | dict.fromkeys(second[7:], (1.0 + 1.5) / 2)  # at the faster machine
    assert slower == pytest.approx(wanted)
    assert [len(point["rounds"]) for point in points] == [2] * len(shapes)
    page = capsys.readouterr().out
    assert "a shape's slowest took 100% longer than its fastest (median), 100% at most; over the seconds of" in page
    assert "the same program beside it 50% longer than its fastest (median), 50% at most" in page
    assert main(command) == 0
    assert len(turns) == 2 * len(shapes)  # nothing was left to measure


def test_no_shape_is_both_fitted_to_and_withheld():
    shapes = planned(22, 4)
    assert len({shape for shape, _ in shapes}) == len(shapes) >= 2 * 22 + 2 * 3 + 4
    assert [shape for shape, out in shapes if not out] == [s for model in MODELS for s in drawn(model, 22, seed=0)]


@pytest.mark.parametrize("shape", [*drawn("transformer", 4, seed=2), published("transformer", 1024)])
def test_products_and_attention_are_all_operations_of_a_transformers_step(shape):
    predicted = predictions_per_row(MASKED, shape.length)
    how = {"rows": shape.rows, "length": shape.length, "predicted": predicted, "global_tokens": False}
    counted = shape.terms(0)
    assert counted["products"] + counted["attention"] == step_flops(shape.config, **how)
    assert counted["band"] == 0


def test_a_band_is_what_its_blocks_span():
    assert inspect.signature(sliding_window_attention).parameters["block"].default == BLOCK
    narrow, wide = (Shape("longformer", 128, 2, 1024, 3, window, 64).terms(0) for window in (32, 128))
    pairs = 3 * 2 * 2 * 1024 * 128 * 2 * 3  # operations of a key that each query sees, in all layers, rows and passes
    assert narrow["band"] == pairs * (128 + 2 * 32)
    assert wide["band"] == pairs * (128 + 2 * 128)
    assert narrow["products"] == wide["products"]
    assert narrow["attention"] == 0


@pytest.mark.parametrize("model", MODELS)
def test_shapes_are_the_same_in_each_process_all_different_and_within_the_bounds(model):
    shapes = drawn(model, 26, seed=0)
    assert shapes == drawn(model, 26, seed=0)
    assert len(set(shapes)) == 26
    assert shapes[:20] == drawn(model, 20, seed=0)  # more withheld ones do not change those that are fitted to


def test_the_page_tells_prices_and_how_far_off_each_withheld_step_is():
    points = []
    for model in MODELS:
        shapes = drawn(model, 15, seed=0)
        points += [made(shape, withheld=index >= 13) for index, shape in enumerate(shapes[:-1])]
        points.append(made(shapes[-1], withheld=True, slower=0.8))
    report = {"command": "c", "commit": "0" * 40, "versions": {}, "cpu": "a", "cores": 2, "points": points}
    table = points_table(report)
    assert "10.0 ms a GFLOP of dense products" in table
    assert "fitted to 26 steps, each left out once: off by 0% (median), 0% at most" in table
    assert table.count("16.0 MB a million parameters") == 2
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith(("| transformer", "| longformer"))]
    assert [row[-1].strip(" |") for row in rows] == ["+0%", "+25%"] * 2


def test_a_measured_step_holds_its_state_and_takes_time(monkeypatch):
    monkeypatch.setattr("experiments.costs.measure.ENOUGH", 0.0)
    shape = Shape("longformer", width=64, depth=1, length=64, rows=2, window=8, vocabulary=64)
    point = measured(shape)
    assert point["bytes"] > 3 * 4 * point["parameters"]  # parameters and Adam's two moments, float32
    assert point["seconds"] > 0


def test_a_step_holds_the_state_and_the_gradients_and_no_copy_of_either(monkeypatch):
    monkeypatch.setattr("experiments.costs.measure.ENOUGH", 0.0)
    point = measured(Shape("transformer", width=128, depth=2, length=16, rows=1, window=0, vocabulary=8192))
    held = point["bytes"] / point["parameters"]
    print(f"{held:.2f} bytes a parameter")
    assert 16 < held < 17  # parameters, two moments, gradients: 4 each
