import pytest

from experiments.sizes import measure as measuring
from experiments.sizes.measure import batch_of_one, measure, model_config
from models import MODELS
from models.cost import masked_lm_parameters


@pytest.mark.parametrize("model", MODELS)
def test_the_measured_step_is_that_of_the_model_whose_parameters_are_counted(model, monkeypatch):
    monkeypatch.setitem(measuring.SIZES, "tiny", {"width": 16, "depth": 2, "heads": 2, "mlp_width": 32})
    monkeypatch.setitem(measuring.VOCABULARIES, "tiny", 64)
    monkeypatch.setitem(measuring.WINDOWS, "tiny", 4)
    cost = measure(model, "tiny", 32, largest_seconds=60.0, flops_per_second=1e9)
    cfg = model_config(model, "tiny", 32)
    assert cost.parameters == masked_lm_parameters(cfg)
    assert cost.peak_bytes > 3 * 4 * cost.parameters  # parameters and Adam's two moments, float32
    assert cost.step_seconds > 0
    assert measure(model, "tiny", 32, largest_seconds=0.0, flops_per_second=1e9).step_seconds is None


def test_only_the_longformer_is_given_a_global_token():
    cfg = model_config("longformer", "base", 512)
    assert cfg.windows == (256,) * 12
    assert batch_of_one(cfg, 512, with_global=True)["global_attention_mask"].sum() == 1
    assert "global_attention_mask" not in batch_of_one(cfg, 512, with_global=False)
