r"""Which of some candidates answers a question, by many documents at once in a Longformer, as WikiHop asks it.

    python -m pretrained.lengthen roberta-base longformer-4096 --max-positions=4096   # or longformer-base-4096 as it is
    jq -c '.[]' qangaroo_v1.1/wikihop/train.json > train.jsonl                        # an object a line; dev likewise
    python train.py --config=configs/wikihop.py:base --config.init_from=longformer-4096 \
        --config.data.train=train.jsonl --config.data.validation=dev.jsonl

A line has query, candidates (a list), answer (the text of one) and supports (a list of documents). A row is the
question, the candidates and the documents, with a separator before each; the question and its candidates see
everything, and the vector before a candidate gives its score. Beltagy et al. 2020 (section 6, appendix) mark candidates
with tokens of their own and give long texts in parts; here what passes `length` tokens is left out, and counted.

The hyperparameters are the paper's (table 14): 15 epochs, a rate of 3e-5 after 200 steps, batches of 32. Published on
the development set: 75.0 % by Longformer-base and 72.4 by RoBERTa-base in parts (table 7); 65.5 without global
attention (table 10); the run prints what chance is. Cost, counted and not measured: 20,503 steps of 32 rows of 4,096
tokens, 2.1 EFLOP at base and 6.9 at large, at 100 TFLOP/s 5.7 and 19 hours. Not run here: neither the data nor a
pretrained base was at hand. base and large are the nets of init_from; tiny is one of your own for two processor cores,
on rows of 1,024 tokens.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import set_size

# learning rate, warm-up steps, steps, rows in a batch, micro-batches, tokens in a row, one-sided window in tokens
SCHEDULES = {
    "tiny": (1e-3, 50, 1_000, 16, 1, 1024, 64),
    "base": (3e-5, 200, 20_503, 32, 16, 4096, 256),
    "large": (3e-5, 200, 20_503, 32, 32, 4096, 256),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SCHEDULES), length=0)
    rate, warmup, steps, rows, micro_batches, length, window = SCHEDULES[chosen.size]
    length = chosen.length or length
    config = defaults.get_config()
    config.task = "candidates"
    config.workdir = f"runs/wikihop_{chosen.size}"
    if chosen.size == "tiny":
        set_size(config, "tiny", name="longformer", max_positions=length)
    else:
        config.model.update(name="longformer", from_init=True, dtype="bfloat16", remat="full")
    config.model.windows = (window,)
    config.model.max_global_tokens = min(512, length // 2)
    config.data.update(source="files", text="supports", text_pair="query", choices="candidates", label="answer")
    config.data.update(length=length, buckets=(length // 4, length // 2), length_groups=20, global_tokens="question")
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, schedule="linear")
    config.train.update(steps=steps, batch_size=rows, accumulation=micro_batches)
    config.evaluation.update(every=max(1, steps // 15), batch_size=rows)
    config.checkpoint.update(every=max(1, steps // 15), best="accuracy")
    return config
