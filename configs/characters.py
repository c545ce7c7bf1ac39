r"""A language model of characters (bytes): a Transformer on short rows, or a Longformer by stages on longer ones.

    python train.py --config=configs/characters.py:small --config.data.train=train.txt --config.data.validation=v.txt

    python train.py --config=configs/characters.py:small,stage=1 ...
    python train.py --config=configs/characters.py:small,stage=2 ...     # from runs/characters_small_stage1

Sizes: tiny and small (0.8 and 4.8 M parameters, for a CPU), and base (12 layers of 512, as the small model of
Beltagy et al. 2020, section 4.2: days on one large GPU at its five stages).

With stages the net is a Longformer whose windows grow from the bottom layers to the top; each stage doubles the row and
the windows and halves the learning rate (section 4.1 there: five stages, from 2,048 tokens to 23,040, where these come
to 32,768). Steps, rows, clipping and rates at base are those of table 12; its dilated heads are left out. Scores slide
over the text: by half a row, or by 512 tokens at base (section 4.2). text8 and enwik8 are cut by
`python -m experiments.characters.prepare text8 --to=runs/data/text8 --in-order`. Published by the small model after
its five stages are 1.10 and 1.00 bits per byte of their tests (section 4.2 there), which is `loss` / ln 2, in 16 days
on four RTX 8000. What the base stages would take of other machines: experiments/costs. None was run here.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import QUICK, growing_windows, set_size
from errors import InputError

# tokens in a row of the first stage, its top window, rows in a batch there, learning rate, steps
FIRST = {
    "tiny": (256, 64, 16, 2e-3, 1_000),
    "small": (256, 128, 32, 1e-3, 1_500),
    "base": (2_048, 512, 32, 2.5e-4, 430_000),
}
STAGES = 5
# steps and rows of each stage at base (table 12 there); the others have the first stage's tokens in each
BASE_STAGES = ((430_000, 32), (50_000, 32), (50_000, 16), (35_000, 16), (5_000, 16))


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(FIRST), stage=0)
    if not 0 <= chosen.stage <= STAGES:
        raise InputError(f"stage={chosen.stage} of the config argument is none of 1 to {STAGES}; 0 is no curriculum")
    length, window, rows, rate, steps = FIRST[chosen.size]
    doubled = 2 ** max(0, chosen.stage - 1)
    rows = at_once = max(1, rows // doubled)
    if chosen.size == "base" and chosen.stage:
        steps, rows = BASE_STAGES[chosen.stage - 1]  # as many at once as the others have
    config = defaults.get_config()
    config.task = "causal_lm"
    runs = f"runs/characters_{chosen.size}"
    config.workdir = runs + (f"_stage{chosen.stage}" if chosen.stage else "")
    config.init_from = f"{runs}_stage{chosen.stage - 1}" if chosen.stage > 1 else ""  # never from nothing unasked
    set_size(config, chosen.size, name="longformer" if chosen.stage else "transformer", causal=True)
    if chosen.size == "base":
        config.model.update(
            QUICK, width=512, depth=12, heads=8, mlp_width=2048, dtype="bfloat16", remat="full", scan=True
        )
    config.model.dropout_rate = 0.2
    config.model.max_positions = length * doubled
    if chosen.stage:
        config.model.windows = growing_windows(config.model.depth, window * doubled)
    config.tokenizer.update(kind="byte_bpe", vocab_size=261)  # every byte, and RoBERTa's five special tokens
    config.data.update(source="files", length=length * doubled, cross_documents=True, global_tokens="none")
    config.optimizer.update(learning_rate=rate / doubled, warmup_steps=min(100, steps // 10), schedule="cosine")
    config.optimizer.update(beta2=0.99, weight_decay=0.1)
    if chosen.size == "base":
        config.optimizer.update(schedule="constant", warmup_steps=min(steps // 10, 10_000), clip_norm=0.25)
        config.optimizer.weight_decay = 0.01
    config.train.update(steps=steps, batch_size=rows, accumulation=rows // at_once)
    config.evaluation.update(
        every=max(1, steps // 15), batch_size=8, stride=512 if chosen.size == "base" else length // 2
    )
    config.checkpoint.update(every=max(1, steps // 15))
    return config
