r"""Which answer is right, of a few about a text, as in RACE: by a model from a checkpoint, or a small one of your own.

    python train.py --config=configs/multiple_choice.py:base --config.init_from=roberta-base --config.data.prepare=True

    # your own, one question a line: text, question, choices (a list), and label: the place of the right one from 0,
    # its letter or its text
    python train.py --config=configs/multiple_choice.py:small --config.data.source=files \
        --config.data.train=train.jsonl --config.data.validation=dev.jsonl --config.data.text=text \
        --config.data.text_pair=question --config.data.choices=choices --config.data.label=label --config.data.test=

RACE is read as TFDS has it, an article with lists of questions, options and answers, in its `part` high or middle; to
prepare it, that one time, TFDS needs TensorFlow. Its own files are the same objects, for both parts at once one a line
of a .jsonl file:
`for f in RACE/train/*/*.txt; do tr -d '\n' < $f; echo; done > train.jsonl`.

For base and large the hyperparameters are RoBERTa's (Liu et al. 2019, table 10): a rate of 1e-5, batches of 16
questions of four rows, 4 epochs, a linear schedule. Published (table 7 there): its large model has 83.2 % of RACE's
test right, 86.5 of middle and 81.3 of high; chance is 25. Cost, counted and not measured: 15,600 steps of 64 rows of
512 tokens for high, 0.29 EFLOP at base and 1.0 at large, at 100 TFLOP/s 48 minutes and 2.8 hours. Neither was run here:
no pretrained base was at hand.
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import set_size
from errors import pick

# learning rate, questions in a batch, micro-batches, epochs
SCHEDULES = {
    "tiny": (1e-3, 16, 1, 10),
    "small": (5e-4, 16, 2, 10),
    "base": (1e-5, 16, 4, 4),
    "large": (1e-5, 16, 8, 4),
}
QUESTIONS = {"high": 62_445, "middle": 25_421}  # of RACE's training split (Lai et al. 2017, table 2)


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SCHEDULES), part="high", model="transformer")
    rate, questions, micro_batches, epochs = SCHEDULES[chosen.size]
    steps = -(-epochs * pick(QUESTIONS, chosen.part, key="part of the config argument") // questions)
    config = defaults.get_config()
    config.task = "multiple_choice"
    config.workdir = f"runs/multiple_choice_{chosen.size}"
    set_size(config, chosen.size, name=chosen.model, max_positions=512)
    config.model.from_init = chosen.size in ("base", "large")  # whose sizes are then those of init_from
    config.data.update(source="tfds", name=f"race/{chosen.part}")
    config.data.update(train="train", validation="dev", test="test", length=512, buckets=(128, 256, 384))
    config.data.update(text="article", text_pair="questions", choices="options", label="answers", blank="_")
    config.optimizer.update(learning_rate=rate, warmup_steps=round(0.06 * steps), weight_decay=0.1, schedule="linear")
    if chosen.size in ("base", "large"):
        config.optimizer.clip_norm = 0.0  # as RoBERTa's own command for RACE
    config.train.update(steps=steps, batch_size=questions, accumulation=micro_batches)
    config.evaluation.update(every=max(1, steps // 20), batch_size=16)
    config.checkpoint.update(every=max(1, steps // 20), best="accuracy")
    return config
