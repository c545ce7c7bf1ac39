r"""Semantic role labelling from nothing: the English Web Treebank, or any column file of the CoNLL-2005 kind.

    python train.py --config=configs/semantic_roles.py:tiny \
        --config.data.train=train.conll.gz --config.data.validation=dev.conll.gz

    python train.py --config=configs/semantic_roles.py:tiny --config.mode=predict \
        --config.data.test=letters.txt          # plain text in; frames out, in predictions.jsonl, .conll and .props

From a published net: --config.init_from=DIRECTORY --config.model.from_init=True, and a lower rate such as 5e-5.

`tiny` (1.8 M parameters) reads 25 million tokens, 16 passes over the treebank, 90 minutes on one CPU core
beside other work, and has an F1 of 59.9 on its dev split (experiments/semantic_roles).
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import SIZES, set_size

RATES = {"tiny": 2e-3, "small": 1e-3, "base": 3e-4, "large": 2e-4}
DROPOUT = {"tiny": 0.3}  # of the others 0.1, BERT's: not tried


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SIZES), steps=12_000, length=192)
    config = defaults.get_config()
    config.task = "semantic_roles"
    config.workdir = f"runs/semantic_roles_{chosen.size}"
    set_size(config, chosen.size, name="transformer", token_types=12, max_positions=max(512, chosen.length))
    config.model.dropout_rate = DROPOUT.get(chosen.size, 0.1)
    config.tokenizer.update(kind="wordpiece", vocab_size=8000)
    config.data.update(source="files", documents="line", length=chosen.length, global_tokens="none")
    config.data.buckets = tuple(length for length in (32, 64, 96) if length < chosen.length)
    config.optimizer.update(learning_rate=RATES[chosen.size], schedule="cosine", warmup_steps=400, weight_decay=0.1)
    config.train.update(steps=chosen.steps, batch_size=12)
    config.evaluation.update(every=1000, batch_size=64, graded=True)
    config.checkpoint.update(every=1000, best="f1")
    return config
