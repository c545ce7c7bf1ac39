import pytest

from configs import defaults
from errors import InputError
from training.layers import layer_names
from training.optimizer import check_optimizer
from training.plan import make_plan

PATHS = [
    "encoder.embeddings.word.embedding",
    "encoder.embeddings.norm.scale",
    "encoder.layers.0.attention.query.kernel",
    "encoder.layers.1.mlp.up.bias",
    "encoder.layers.10.mlp.up.kernel",
    "encoder.final_norm.scale",
    "head.dense.kernel",
    "head.bias",
]


def settings(**changes):
    optimizer = defaults.get_config().optimizer
    optimizer.update(weight_decay=0.1, **changes)
    return optimizer


def test_the_rate_falls_from_the_head_to_the_embeddings_as_in_beit():
    rates = make_plan(settings(layer_decay=0.5), [p for p in PATHS if "10" not in p]).rates
    assert list(rates.values()) == [0.125, 0.125, 0.25, 0.5, 1.0, 1.0, 1.0]
    assert make_plan(settings(layer_decay=0.5), PATHS).rates[PATHS[2]] == 0.5**11
    assert set(make_plan(settings(), PATHS).rates.values()) == {1.0}


def test_only_weights_decay_never_biases_and_norms():
    assert list(make_plan(settings(), PATHS).decays.values()) == [0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 0.0]


def test_the_first_rule_that_is_the_whole_path_decides_and_multiplies_the_layers_rate():
    rules = (
        (r".*\.1\..*", {"learning_rate": 0.0}),
        (r"encoder\.layers\..*", {"learning_rate": 3.0, "weight_decay": 0.5}),
        (r"head\.bias", {"weight_decay": 0.2}),
    )
    plan = make_plan(settings(layer_decay=0.5, rules=rules), PATHS)
    assert not plan.moves("encoder.layers.1.mlp.up.bias")
    assert plan.rates["encoder.layers.10.mlp.up.kernel"] == 1.5
    assert plan.decays["encoder.layers.10.mlp.up.kernel"] == 0.5
    assert plan.decays["head.bias"] == 0.2
    assert plan.decays["head.dense.kernel"] == 0.1


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            (("encoder.layer.0.*", {"learning_rate": 0.0}),),
            r"'encoder.layer.0.\*' matches no parameter; the closest are encoder.layers.0.att",
        ),
        (
            (("head", {"learning_rate": 0.0}),),
            r"'head' matches no parameter; the closest are head.dense.kernel, head.bias",
        ),
        (
            (("head.*", {"learning_rate": 0.0}), ("head.bias", {"learning_rate": 1.0})),
            "all that 'head.bias' matches is decided",
        ),
        (((".*", {"learning_rate": 0.0}),), "freeze every parameter"),
    ],
)
def test_a_rule_that_decides_nothing_is_refused(rules, message):
    with pytest.raises(InputError, match=message):
        make_plan(settings(rules=rules), PATHS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "adam"}, "optimizer.name='adam' is not one of adamw, adafactor, lion, muon"),
        ({"layer_decay": 0.0}, "layer_decay=0.0 must be above 0"),
        ({"layer_decay": 1.5}, "layer_decay=1.5 must be above 0 and at most 1"),
        ({"ema": 1.0}, "ema=1.0 must be at least 0 and below 1"),
        ({"rules": ("head.*",)}, r"'head.\*' is not a pair"),
        ({"rules": (("head.*", {}),)}, "is not a pair"),
        ({"rules": (("head(", {"learning_rate": 1.0}),)}, r"'head\(' is no regular expression"),
        ({"rules": (("head.*", {"rate": 1.0}),)}, "'rate' of .* is not one of learning_rate, weight_decay"),
        ({"rules": (("head.*", {"learning_rate": -1.0}),)}, "learning_rate=-1.0 of .* must be a number of at least 0"),
    ],
)
def test_bad_settings_are_refused_before_there_are_parameters(changes, message):
    with pytest.raises(InputError, match=message):
        check_optimizer(settings(**changes))


def test_layers_stand_in_the_order_of_the_forward_pass():
    assert layer_names(PATHS) == [
        "encoder.embeddings",
        "encoder.layers.0",
        "encoder.layers.1",
        "encoder.layers.10",
        "encoder.final_norm",
        "head",
    ]
