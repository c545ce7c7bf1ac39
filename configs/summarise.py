r"""Summarisation by an encoder-decoder: a Transformer on short texts, or LED on long ones with a question about them.

    python train.py --config=configs/summarise.py:tiny --config.data.text=dialogue --config.data.target=summary \
        --config.data.train=train.jsonl --config.data.validation=dev.jsonl --config.init_from=runs/denoise_tiny

    python train.py --config=configs/summarise.py:tiny,model=longformer,length=8192 --config.data.text_pair=query \
        --config.data.text=meeting --config.data.target=answer ...

    python train.py --config=configs/summarise.py:led --config.init_from=led-base-16384 --config.data.source=tfds \
        --config.data.name=scientific_papers/arxiv --config.data.text=article --config.data.target=abstract ...

Sizes: tiny (2.9 M parameters, for two CPU cores; in short runs ROUGE-1 32.4 on DialogSum, where the first three
sentences have 30.9, and from there a perplexity of 120 on QMSum, with answers of the right form alone:
experiments/writing), small (13 M), and led, whose sizes are those of init_from (Beltagy et al. 2020, section 7:
46.6/19.6/41.8 ROUGE-1/2/L on arXiv by its large model, days on a large GPU).
`positions` is the longest text that the weights of init_from were trained for, as in configs/finetune.py.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import SIZES, set_size

# learning rate, warm-up steps, steps, texts in a batch, dropout
RECIPES = {
    "tiny": (2e-3, 200, 4_000, 32, 0.2),
    "small": (1e-3, 400, 8_000, 32, 0.1),
    "led": (3e-5, 500, 60_000, 32, 0.1),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(RECIPES), model="transformer", length=0, target=0, positions=0)
    rate, warmup, steps, texts, dropout = RECIPES[chosen.size]
    config = defaults.get_config()
    config.task = "summarisation"
    config.workdir = f"runs/summarise_{chosen.size}"
    length = chosen.length or (16_384 if chosen.size == "led" else 512)
    target = chosen.target or (512 if chosen.size == "led" else 128)  # abstracts of arXiv have some 300 tokens
    if chosen.size == "led":
        config.model.update(from_init=True, dtype="bfloat16", remat="full")
    else:
        set_size(config, chosen.size, name=chosen.model, max_positions=chosen.positions or length)
        config.model.decoder_depth = SIZES[chosen.size]["depth"]
        config.model.windows = (128,)
    config.model.dropout_rate = dropout
    config.model.max_global_tokens = 128  # questions of QMSum have up to 65
    config.tokenizer.vocab_size = 8_000
    config.data.update(source="files", length=length, target_length=target)
    config.data.buckets = tuple(length // part for part in (8, 4, 2) if length // part >= 64)
    config.data.length_groups = 20
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, schedule="linear")
    config.train.update(steps=steps, batch_size=texts, label_smoothing=0.1)
    config.evaluation.update(every=steps // 20, batch_size=16)
    config.checkpoint.update(every=steps // 20, best="perplexity")
    config.decoding.update(num_beams=4, length_penalty=1.0, no_repeat_ngram_size=3)
    return config
