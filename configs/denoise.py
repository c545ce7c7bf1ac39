r"""Pretraining of an encoder-decoder on plain text: BART's denoising, or T5's span corruption.

    python train.py --config=configs/denoise.py:tiny --config.data.train=texts.jsonl --config.data.validation=v.jsonl
    python train.py --config=configs/denoise.py:base,objective=span_corruption --config.data.train='books/*.txt.gz' ...

Sizes: tiny (2.9 M parameters, for two CPU cores; run for 1,000 steps of 16 rows alone, experiments/writing), small (13
M), base (Lewis et al. 2019, section 2.1, and Raffel et al. 2020, section 3.1.2: a TPU slice for days).
The tokenizer of span corruption needs sentinels: T5's own has them, for another the table of words gets 100 more rows.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import SIZES, set_size
from errors import InputError

# learning rate, warm-up steps, steps, rows in a batch, dropout
RECIPES = {
    "tiny": (2e-3, 200, 6_000, 32, 0.1),
    "small": (1e-3, 1_000, 40_000, 64, 0.1),
    "base": (6e-4, 10_000, 500_000, 2_048, 0.1),
}
RATES = {"denoising": 0.3, "span_corruption": 0.15}  # Lewis et al. 2019, section 3; Raffel et al. 2020, section 3.3.4


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(RECIPES), objective="denoising", length=256, model="transformer")
    if chosen.objective not in RATES:
        raise InputError(f"objective={chosen.objective!r} of the config argument is not one of {', '.join(RATES)}")
    rate, warmup, steps, rows, dropout = RECIPES[chosen.size]
    config = defaults.get_config()
    config.task = chosen.objective
    config.workdir = f"runs/denoise_{chosen.size}"
    set_size(config, chosen.size, name=chosen.model, max_positions=chosen.length)
    config.model.decoder_depth = SIZES[chosen.size]["depth"]
    config.model.windows = (128,)
    config.model.dropout_rate = dropout
    config.tokenizer.vocab_size = 32_000 if chosen.size == "base" else 8_000
    config.masking.rate = RATES[chosen.objective]
    config.data.update(source="files", length=chosen.length, target_length=chosen.length)
    if chosen.objective == "span_corruption":
        config.model.vocab_size = config.tokenizer.vocab_size + 100
        config.data.target_length = max(16, chosen.length // 4)
    if chosen.size == "base":
        config.model.update(dtype="bfloat16", remat="full", scan=True)
        config.train.accumulation = 32
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, schedule="linear")
    config.train.update(steps=steps, batch_size=rows)
    config.evaluation.update(every=steps // 20, batch_size=16)
    config.checkpoint.update(every=min(1_000, steps // 20))
    return config
