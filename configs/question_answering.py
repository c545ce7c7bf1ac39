r"""Extractive question answering on SQuAD's JSON, versions 1.1 and 2.0: in windows, or documents whole in a Longformer.

    python train.py --config=configs/question_answering.py:small --config.data.train=train.json \
        --config.data.validation=dev.json --config.data.test=test.json
    # the same command with --config.mode=evaluate --config.evaluation.split=test: exact match and F1
    # ... --config.mode=predict: predictions.json and predictions.na_probs.json, as the official scripts read them
    # ... --config.mode=talk --config.prediction.document=FILE: answers each question of standard input

`:small,whole=4096` reads up to so many tokens of a document in one row, where the question attends globally, and only
what is longer in windows; base and large do so as the paper trains them on TriviaQA (Beltagy et al. 2020, table 14).
`init_from` starts from a pretrained run of the same size, or with `model.from_init` from a published model. TFDS's
squad: `--config.data.source=tfds --config.data.name=squad` (or `squad/v2.0`), splits `train[5%:]`, `train[:5%]` and
`validation`; the last is the one on which published scores are given, so that nothing is chosen on it.

`supports=True` asks also which sentences support the answer, as HotpotQA does (experiments/answering/hotpotqa.py).

`overlap=True` (for nets that start from nothing) marks a document's words that the question has too, one of the
features of Chen et al. 2017, section 3.2. Base has settings from the grid of BERT's authors (Devlin et al. 2018,
appendix A.3), who tell of 80.8 exact match and 88.5 F1 of SQuAD 1.1 from its published weights; two epochs of that are
11,000 steps of 16 rows of 384 tokens. RoBERTa's are others (Liu et al. 2019, table 10): a rate of 1.5e-5, 48 rows and a
warm-up of 6%. Tiny and small are for a CPU: with the keys of experiments/answering/sweep.py tiny, from nothing, answers
QAMR's questions about a sentence at F1 44.7 after 2,000 steps of 32 sentences, 36 minutes on one core, and then SQuAD's
about a paragraph at F1 36.6 after 1,000 steps, 44 minutes. After an hour of filling in words of novels it is 60.6 and
47.1, and of articles 37.0 in windows and 32.5 whole, after 400 steps.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import set_size

# learning rate, steps, rows in a batch, tokens in a row
SCHEDULES = {
    "tiny": (1e-3, 3_000, 16, 384),
    "small": (5e-4, 6_000, 16, 384),
    "base": (3e-5, 11_000, 16, 384),
    "large": (2e-5, 11_000, 16, 384),
}
# of whole documents; and warm-up steps, micro-batches
WHOLE = {"base": (3e-5, 17_300, 32, 1_000, 16), "large": (3e-5, 17_300, 32, 1_000, 32)}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SCHEDULES), whole=0, overlap=False, supports=False)
    rate, steps, rows, length = SCHEDULES[chosen.size]
    length, warmup, micro_batches = chosen.whole or length, steps // 10, 1
    config = defaults.get_config()
    config.task = "question_answering"
    config.workdir = f"runs/question_answering_{chosen.size}"
    name = "longformer" if chosen.whole else "transformer"
    set_size(config, chosen.size, name=name, max_positions=max(512, length))
    config.model.dropout_rate = 0.1
    config.data.update(source="files", text="context", text_pair="question", length=length)
    config.data.update(stride=128, question_length=64)
    config.data.buckets = tuple(length // part for part in (8, 4, 2) if length // part >= 48)
    if chosen.whole:
        config.model.max_global_tokens = 1 + config.data.question_length
        config.data.global_tokens = "question"
        config.workdir += "_whole"
        rows = max(1, rows * 384 // length)
        if chosen.size in WHOLE:
            rate, steps, rows, warmup, micro_batches = WHOLE[chosen.size]
            config.model.update(windows=(256,), dtype="bfloat16", remat="full")
    if chosen.overlap:
        config.model.token_types = 3
        config.data.mark_overlap = True
    if chosen.supports:
        config.task = "multi_hop"
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup, weight_decay=0.01, schedule="linear")
    config.train.update(steps=steps, batch_size=rows, accumulation=micro_batches)
    config.evaluation.update(every=steps // 10, batch_size=max(1, 16 * 384 // length), graded=True)
    config.checkpoint.update(every=steps // 10, best="joint_f1" if chosen.supports else "f1")
    config.prediction.top = 20
    return config
