r"""A small Transformer from random weights that classifies short texts: intents, sentences, headlines.

    python train.py --config=configs/short_texts.py --config.data.train=train.jsonl \
        --config.data.validation=validation.jsonl --config.data.test=test.jsonl

`wide` has two layers of 256, `narrow` one of 128. A few thousand texts teach words, not sentences: the mean of all
tokens is told, a fifth of the tokens is hidden from each text anew, and dropout is strong. The classes are those of the
training split; --config.data.outside=NAME says which of them is for what belongs to no other.

What short trials told is in experiments/classifying.
"""

from configs import defaults
from configs.argument import parse_argument

NETS = {
    "wide": {"width": 256, "depth": 2, "heads": 4, "mlp_width": 1024},
    "narrow": {"width": 128, "depth": 1, "heads": 4, "mlp_width": 512},
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(NETS), length=64)
    config = defaults.get_config()
    config.task = "classification"
    config.workdir = "runs/short_texts"
    config.model.update(NETS[chosen.size] | {"name": "transformer", "norm": "pre", "positions": "rotary"})
    config.model.update(pooling="mean", dropout_rate=0.3, attention_dropout_rate=0.1, max_positions=512)
    config.tokenizer.update(kind="wordpiece", vocab_size=4000)
    config.data.update(source="files", length=chosen.length)
    config.data.buckets = tuple(chosen.length // part for part in (4, 2) if chosen.length // part >= 16)
    config.masking.inputs = 0.2
    config.optimizer.update(learning_rate=1e-3, warmup_steps=100, weight_decay=0.1, schedule="linear")
    config.train.update(steps=2000, batch_size=64)
    config.evaluation.update(every=200, batch_size=128)
    config.checkpoint.update(every=200, best="accuracy")
    return config
