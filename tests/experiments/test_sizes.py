import pytest

from experiments.sizes import measure as measuring
from experiments.sizes.measure import batch_of_one, measure, model_config
from models import Longformer, MaskedLM
from skeleton import Skeleton

TINY = {"width": 16, "depth": 1, "heads": 2, "mlp_width": 32, "dropout_rate": 0.0, "attention_dropout_rate": 0.0}


@pytest.mark.slow
def test_the_measured_step_is_that_of_the_model_whose_parameters_are_counted(monkeypatch):
    monkeypatch.setitem(measuring.SIZES, "tiny", TINY)
    monkeypatch.setitem(measuring.VOCABULARIES, "tiny", 64)
    monkeypatch.setitem(measuring.WINDOWS, "tiny", 4)
    monkeypatch.setattr(measuring, "ENOUGH", 0.0)
    cost = measure("longformer", "tiny", 32, largest_seconds=60.0, flops_per_second=1e9)
    cfg = model_config("longformer", "tiny", 32)
    net = Skeleton(lambda rngs: MaskedLM(Longformer(cfg, rngs=rngs), rngs=rngs))
    assert cost.parameters == net.parameter_count
    assert cost.peak_bytes > 3 * 4 * cost.parameters  # parameters and Adam's two moments, float32
    assert cost.step_seconds > 0


def test_only_the_longformer_is_given_a_global_token():
    cfg = model_config("longformer", "base", 512)
    assert cfg.windows == (256,) * 12
    assert batch_of_one(cfg, 512, with_global=True)["global_attention_mask"].sum() == 1
    assert "global_attention_mask" not in batch_of_one(cfg, 512, with_global=False)
