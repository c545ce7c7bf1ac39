r"""Semantic role labelling from the English Web Treebank, or any column file of the CoNLL-2005 kind, from nothing.

    python train.py --config=configs/semantic_roles.py:small \
        --config.data.train=train.conll.gz --config.data.validation=dev.conll.gz

    python train.py --config=configs/semantic_roles.py:small --config.mode=predict \
        --config.data.test=letters.txt                       # plain text in, frames out: predictions.jsonl

Cost of `small`: about an hour on two CPU cores. Expected on the treebank's dev split with the given predicates: F1 of
arguments above 60 (not yet run); a rule that looks at no word reaches 15.3.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import SIZES, set_size

RATES = {"tiny": 2e-3, "small": 1e-3, "base": 3e-4, "large": 2e-4}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SIZES), steps=8000, length=192)
    config = defaults.get_config()
    config.task = "semantic_roles"
    config.workdir = f"runs/semantic_roles_{chosen.size}"
    set_size(config, chosen.size, name="transformer", token_types=12, max_positions=max(512, chosen.length))
    config.model.dropout_rate = 0.1
    config.tokenizer.update(kind="wordpiece", vocab_size=8000)
    config.data.update(source="files", documents="line", length=chosen.length, global_tokens="none")
    config.data.buckets = tuple(length for length in (32, 64, 96) if length < chosen.length)
    config.optimizer.update(learning_rate=RATES[chosen.size], schedule="cosine", warmup_steps=400, weight_decay=0.1)
    config.train.update(steps=chosen.steps, batch_size=12)
    config.evaluation.update(every=500, batch_size=64, graded=True)
    config.checkpoint.update(every=500, best="f1")
    return config
