"""An encoder-decoder that compiles in seconds, on the corpus's plain text or on pairs given by the test."""

from tests.training.tiny_recipe import get_config as tiny


def get_config(corpus: str):
    config = tiny(corpus)
    config.task = "translation"
    config.model.update(name="transformer", decoder_depth=1, norm="pre", positions="rotary")
    config.data.update(length=32, target_length=32, buckets=(16,), text="text", target="target")
    config.train.update(accumulation=1, label_smoothing=0.1)
    config.prediction.blanks = ()
    return config
