r"""RoBERTa's pretraining recipe for a Transformer, a Longformer or ModernBERT's alternating net, on local text files.

    python train.py --config=configs/pretrain.py:base,model=longformer \
        --config.data.train='books/*.txt.gz' --config.data.validation=held_out.txt

Sizes: tiny (1.0 M parameters beside the embeddings, a Transformer 0.8; minutes on a CPU), small (5.9 and 4.7 M), base
and large (the papers': one large GPU or a TPU slice for days). `windows=growing` doubles the Longformer's windows
from the bottom layers to the top ones, which keep the size's own.

`:base,model=longformer,further=True`, or large, goes on from a published net's weights as Beltagy et al. 2020 do from
RoBERTa's (section 5):

    python -m pretrained.lengthen roberta-base longformer-4096 --max-positions=4096
    python train.py --config=configs/pretrain.py:base,model=longformer,further=True --config.init_from=longformer-4096 \
        --config.data.train='books/*.txt.gz' --config.data.validation=held_out.txt

65,000 steps of 64 rows of 4,096 tokens at a rate of 3e-5. Published, bits for each masked token of base and large:
1.957 and 1.597 as copied, 1.753 and 1.414 after 2,000 steps, 1.705 and 1.358 after all (table 5); RoBERTa at 512 has
1.846 and 1.496. Cost, counted and not measured: 10 and 35 EFLOP, at 100 TFLOP/s 29 and 97 hours. Not run here, for want
of the weights; a small net's: experiments/lengthening.

For base and large from nothing the optimizer is RoBERTa's (Liu et al. 2019, section 2.4, table 9), with batches of
8,192 rows of 512 tokens; with less, shorten `steps` and lower the learning rate too.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import alternating_windows, growing_windows, set_size
from errors import InputError, pick

# learning rate, warm-up steps, steps, rows of 512 tokens in a batch, micro-batches
SCHEDULES = {
    "tiny": (1e-3, 100, 2_400, 4, 1),
    "small": (7e-4, 1_000, 40_000, 64, 4),
    "base": (6e-4, 24_000, 500_000, 8_192, 64),
    "large": (4e-4, 30_000, 500_000, 8_192, 128),
}
# Beltagy et al. 2020, section 5
FURTHER = {"base": (3e-5, 500, 65_000, 512, 16), "large": (3e-5, 500, 65_000, 512, 32)}


def get_config(argument: str = ""):
    sizes = tuple(SCHEDULES)
    chosen = parse_argument(argument, sizes=sizes, model="longformer", length=0, windows="even", further=False)
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
    if chosen.further:
        rate, warmup, steps, rows, micro_batches = pick(FURTHER, chosen.size, key="the size with further=True")
        config.model.from_init = True
        config.optimizer.schedule = "cubic"
        config.workdir += "_further"
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup)
    if chosen.size in ("base", "large") and not chosen.further:
        config.optimizer.clip_norm = 0.0  # none, as in table 9
    config.train.update(steps=steps, batch_size=max(1, rows * 512 // length), accumulation=micro_batches)
    config.evaluation.update(every=steps // 10, batch_size=8)
    config.checkpoint.every = min(1_000, steps // 10)
    return config
