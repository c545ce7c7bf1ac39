import json

import pytest

import train
from configs.described import described
from configs.sizes import growing_windows
from experiments.costs import boxes, recipes
from experiments.costs.page import fitted_prices
from experiments.costs.terms import BLOCK
from models import MODELS
from models.cost import TRAINING, attention_flops, step_flops

UPDATE = {"parameters": 30.0}
PRICES = {
    "seconds": {"products": 1e-12, "attention": 2e-12, "band": 3e-12, "activations": 1, "parameters": 1, "step": 1},
    "bytes": {
        name: {"layers": {"parameters": 16.0, "activations": each, "logits": 8.0}, "update": UPDATE}
        for name, each in (("transformer", 120.0), ("longformer", 160.0))
    },
}
ROW = {"products": 600, "attention": 100, "band": 0, "activations": 48, "logits": 10, "parameters": 20, "step": 1}


def recipe(**changes) -> dict:
    kept = {"recipe": "r", "model": "transformer", "steps": 10, "rows": 64, "length": 4, "depth": 4}
    return kept | {"number_bytes": 4, "recomputed": False, "terms": ROW} | changes


def test_memory_is_the_larger_moment_and_less_with_short_numbers_and_layers_computed_again():
    assert boxes.step_bytes(recipe(), PRICES, 2) == 16 * 20 + 120 * 2 * 48 + 8 * 2 * 10
    assert boxes.step_bytes(recipe(), PRICES, 0) == 30 * 20  # the optimizer's moment
    assert boxes.step_bytes(recipe(number_bytes=2), PRICES, 2) == 16 * 20 + 60 * 2 * 48 + 8 * 2 * 10
    again = boxes.step_bytes(recipe(recomputed=True), PRICES, 2)
    assert again == 16 * 20 + (4 + 120 / 4) * 2 * 48 + 8 * 2 * 10
    assert boxes.step_bytes(recipe(model="longformer"), PRICES, 1) == 16 * 20 + 160 * 48 + 8 * 10


def test_rows_double_while_they_fit_and_are_no_more_than_the_recipe_has():
    of_rows = [boxes.step_bytes(recipe(), PRICES, rows) for rows in (1, 2, 4)]
    assert boxes.most_rows(recipe(), PRICES, of_rows[0] / boxes.FREE - 1) == 0
    assert boxes.most_rows(recipe(), PRICES, of_rows[1] / boxes.FREE + 1) == 2
    assert boxes.most_rows(recipe(), PRICES, of_rows[2] / boxes.FREE - 1) == 2
    assert boxes.most_rows(recipe(rows=3), PRICES, 1e12) == 3


def test_time_is_dear_for_scores_and_shared_by_devices_that_have_a_row():
    alone = boxes.run_seconds(recipe(), PRICES, devices=1, peak=1e3)
    assert alone == pytest.approx(10 * 64 * (600 + 2 * 100) / (1e3 * boxes.DENSE))
    assert boxes.run_seconds(recipe(), PRICES, devices=8, peak=1e3) == pytest.approx(alone / 8)
    assert boxes.run_seconds(recipe(), PRICES, devices=256, peak=1e3) == pytest.approx(alone / 64)
    assert boxes.run_seconds(recipe(recomputed=True), PRICES, devices=1, peak=1e3) == pytest.approx(alone * 4 / 3)


@pytest.mark.parametrize("name", ["configs/pretrain.py:tiny,model=transformer", "configs/finetune.py:tiny"])
def test_a_recipe_is_counted_as_train_counts_it(name):
    found = recipes.counted(name)
    config = described(name, function="get_config", what="recipe")
    sizes = train.model_sizes(config, MODELS[config.model.name][0])
    how = {"length": found["length"], "predicted": found["terms"]["logits"] // sizes.vocab_size}
    longformer = config.model.name == "longformer"
    needed = step_flops(sizes, rows=1, global_tokens=longformer, **how)
    pairs = TRAINING * attention_flops(sizes, found["length"], global_tokens=int(longformer))
    assert found["terms"]["products"] == needed - pairs
    assert found["terms"]["attention"] == (0 if longformer else pairs)
    assert (found["steps"], found["rows"]) == (config.train.steps, config.train.batch_size)


@pytest.mark.parametrize("net", ["transformer", "longformer"])
def test_a_recipe_that_reads_its_tokenizer_has_the_words_of_that_file(net):
    found = recipes.counted(f"configs/long_range.py:listops,net={net}")
    layer = (
        4 * (512 * 512 + 512) + 2 * 512 * 1024 + 1024 + 512 + 4 * 512 + (3 * (512 * 512 + 512)) * (net != "transformer")
    )
    assert found["terms"]["parameters"] == 20 * 512 + 4 * layer + 2 * 512


def test_a_causal_band_has_one_side():
    terms = recipes.counted("configs/characters.py:tiny,stage=1")["terms"]  # rows of 256 tokens, four layers of 128
    spans = [BLOCK + window for window in growing_windows(4, 64)]
    assert terms["band"] == 3 * 2 * 2 * 256 * 128 * sum(spans)
    assert terms["logits"] == 255 * 261


def test_the_page_uses_the_prices_that_the_measured_steps_give():
    points, told = (json.loads((recipes.RESULTS / f"{name}.json").read_text()) for name in ("points", "recipes"))
    fresh = fitted_prices(points)
    assert told["prices"]["seconds"] == pytest.approx(fresh["seconds"], rel=1e-6)
    for model, moments in fresh["bytes"].items():
        for moment, prices in moments.items():
            assert told["prices"]["bytes"][model][moment] == pytest.approx(prices, rel=1e-3)
    table = boxes.recipes_table(told)
    assert all(name in table for name in recipes.RECIPES)
