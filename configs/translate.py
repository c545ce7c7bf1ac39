r"""Machine translation by an encoder-decoder from scratch, on a file for each language or on a TFDS set.

    python train.py --config=configs/translate.py:tiny --config.data.text=en --config.data.target=de \
        --config.data.train='train.{en,de}.gz' --config.data.validation='val.{en,de}.gz'

    python train.py --config=configs/translate.py:base --config.data.source=tfds \
        --config.data.name=wmt14_translate/de-en --config.data.text=en --config.data.target=de ...

Sizes: tiny (2.3 M parameters; from Multi30k's 29,000 sentences it learns in 81 minutes on one CPU core to write German
at a BLEU of 33.9 on test_2016_flickr, experiments/writing), base and big (Vaswani et al. 2017, table 3; batches of
about 25,000 tokens on each side, as in section 5.1; not run).
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import QUICK

SIZES = {
    "tiny": {"width": 128, "depth": 4, "heads": 4, "mlp_width": 256, "decoder_depth": 4} | QUICK,
    "base": {"width": 512, "depth": 6, "heads": 8, "mlp_width": 2048, "decoder_depth": 6},
    "big": {"width": 1024, "depth": 6, "heads": 16, "mlp_width": 4096, "decoder_depth": 6},
}
# learning rate, warm-up steps, steps, pairs in a batch, longest text in tokens, dropout, entries of the vocabulary
RECIPES = {
    "tiny": (2e-3, 400, 4_500, 96, 64, 0.2, 8_000),
    "base": (7e-4, 4_000, 100_000, 960, 256, 0.1, 37_000),
    "big": (5e-4, 4_000, 300_000, 960, 256, 0.3, 37_000),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SIZES))
    rate, warmup, steps, pairs, length, dropout, vocabulary = RECIPES[chosen.size]
    config = defaults.get_config()
    config.task = "translation"
    config.workdir = f"runs/translate_{chosen.size}"
    config.model.update(SIZES[chosen.size], name="transformer", max_positions=length)
    config.model.dropout_rate = dropout
    if chosen.size != "tiny":
        config.model.update(positions="sinusoidal", activation="relu", dtype="bfloat16")
    config.tokenizer.vocab_size = vocabulary
    config.data.update(source="files", length=length, target_length=length, length_groups=50)
    config.data.buckets = tuple(n for n in (16, 24, 32, 48, 96, 128) if n < length)
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, schedule="rsqrt", epsilon=1e-9)
    config.optimizer.schedule = "cosine" if chosen.size == "tiny" else "rsqrt"
    if chosen.size != "tiny":
        config.optimizer.update(weight_decay=0.0, clip_norm=0.0)  # plain Adam (section 5.3)
    config.train.update(steps=steps, batch_size=pairs, label_smoothing=0.1)
    config.evaluation.update(every=max(1, steps // 20), batch_size=64)
    config.checkpoint.update(every=max(1, steps // 20), best="perplexity")
    config.decoding.update(num_beams=4, length_penalty=0.6 if chosen.size != "tiny" else 1.0)
    return config
