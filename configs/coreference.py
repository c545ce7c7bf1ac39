r"""Coreference in whole documents by a Longformer: OntoNotes as the CoNLL-2012 shared task divides it, or other files.

    python -m pretrained.lengthen roberta-base longformer-4096 --max-positions=4096   # or longformer-base-4096 as it is
    python train.py --config=configs/coreference.py:base --config.init_from=longformer-4096 \
        --config.data.train=train.english.v4_gold_conll --config.data.validation=dev.english.v4_gold_conll

A file has the shared task's columns, or JSON lines with doc_key, sentences, clusters and perhaps speakers
(data/conll2012.py); the parts of a directory can be joined by `cat`. config.mode=predict writes predictions.conll,
which the shared task's scorer compares with the gold file.

The head is that of Kirstain et al. 2021, which needs the vectors of two tokens for a mention and so fits whole
documents into memory; Beltagy et al. 2020 (section 6) have Joshi et al. 2019's, of whole spans and pairs. Published,
mean F1 on OntoNotes' test split: 78.6 by Longformer-base with that one (table 7; RoBERTa-base 78.4), 80.3 by
Longformer-large with this one (Kirstain et al. 2021, from memory). Rates and epochs are those of the latter, from
memory too: 1e-5, for the head 3e-4, 129 epochs of 2,802 documents; here a step is one document.

Not run here but on made-up files: OntoNotes is licensed, and no pretrained base was at hand. base and large are the
nets of init_from; tiny is one of your own for two processor cores, on rows of 1,024 tokens. No token is global, as in
both papers.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import set_size

# learning rate, that of the head over it, warm-up steps, steps, documents in a batch, tokens in a row, one-sided window
# in tokens, dropout, E
SCHEDULES = {
    "tiny": (1e-3, 1.0, 100, 2_000, 4, 1024, 64, 0.1, 128),
    "base": (1e-5, 30.0, 5_600, 361_458, 1, 4096, 256, 0.3, 3072),
    "large": (1e-5, 30.0, 5_600, 361_458, 1, 4096, 256, 0.3, 3072),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SCHEDULES), length=0)
    rate, faster, warmup, steps, documents, length, window, dropout, width = SCHEDULES[chosen.size]
    length = chosen.length or length
    config = defaults.get_config()
    config.task = "coreference"
    config.workdir = f"runs/coreference_{chosen.size}"
    if chosen.size == "tiny":
        set_size(config, "tiny", name="longformer", max_positions=length)
        config.tokenizer.update(kind="wordpiece", vocab_size=8000)
    else:
        config.model.update(name="longformer", from_init=True, dtype="bfloat16", remat="full")
        config.optimizer.rules = ((r"(mentions|antecedents)\..*", {"learning_rate": faster}),)
    config.model.update(windows=(window,), mention_width=width, dropout_rate=dropout)
    config.data.update(source="files", text="sentences", length=length, global_tokens="none")
    config.data.update(buckets=(length // 8, length // 4, length // 2))
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, schedule="linear", weight_decay=0.01)
    config.train.update(steps=steps, batch_size=documents)
    config.evaluation.update(every=max(1, steps // 20), batch_size=documents, graded=True)
    config.checkpoint.update(every=max(1, steps // 20), best="conll_f1")
    return config
