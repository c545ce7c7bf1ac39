r"""RoBERTa's pretraining recipe for a Transformer, a Longformer or ModernBERT's alternating net, on local text files.

    python train.py --config=configs/pretrain.py:base,model=longformer \
        --config.data.train='books/*.txt.gz' --config.data.validation=held_out.txt

Sizes: tiny (0.8 M parameters beside the embeddings; minutes on a CPU), small (4.7 M), base and large (the papers': one
large GPU or a TPU slice for days). `windows=growing` doubles the Longformer's windows from the bottom layers to the
top ones, which keep the size's own.

For base and large the optimizer is RoBERTa's (Liu et al. 2019, section 2.4, table 9), with batches of 8,192 rows of 512
tokens; with less, shorten `steps` and lower the learning rate too.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import alternating_windows, growing_windows, set_size
from errors import InputError

# learning rate, warm-up steps, steps, rows of 512 tokens in a batch, micro-batches
SCHEDULES = {
    "tiny": (1e-3, 100, 2_400, 4, 1),
    "small": (7e-4, 1_000, 40_000, 64, 4),
    "base": (6e-4, 24_000, 500_000, 8_192, 64),
    "large": (4e-4, 30_000, 500_000, 8_192, 128),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SCHEDULES), model="longformer", length=0, windows="even")
    config = defaults.get_config()
    longformer = chosen.model == "longformer"
    length = chosen.length or (4096 if longformer and chosen.size in ("base", "large") else 512)
    config.workdir = f"runs/pretrain_{chosen.model}_{chosen.size}"
    set_size(config, chosen.size, name=chosen.model, max_positions=length)
    if chosen.size in ("base", "large"):
        config.model.windows = (256,)  # the paper's attention window of 512 (Beltagy et al. 2020, section 4.2)
        config.model.dtype = "bfloat16"
        config.model.update(remat="full", scan=True)
        config.tokenizer.vocab_size = 50_265
    if chosen.model == "alternating" and chosen.windows == "even":
        config.model.windows = alternating_windows(config.model.depth, config.model.windows[-1])
    elif chosen.windows == "growing":
        config.model.windows = growing_windows(config.model.depth, config.model.windows[-1])
    elif chosen.windows != "even":
        raise InputError(f"windows={chosen.windows!r} of the config argument is neither even nor growing")
    config.data.source = "files"
    config.data.length = length
    rate, warmup, steps, rows, micro_batches = SCHEDULES[chosen.size]
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup)
    config.train.update(steps=steps, batch_size=max(1, rows * 512 // length), accumulation=micro_batches)
    config.evaluation.update(every=steps // 10, batch_size=8)
    config.checkpoint.every = min(1_000, steps // 10)
    return config
