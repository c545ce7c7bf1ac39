r"""Classification of long texts by a published Longformer (Beltagy et al. 2020): IMDB's reviews, Hyperpartisan's news.

    python -m pretrained.lengthen roberta-base longformer-4096 --max-positions=4096   # or longformer-base-4096 as it is
    python train.py --config=configs/long_texts.py:imdb --config.init_from=longformer-4096 --config.data.prepare=True

    python experiments/finetuning/prepare.py --source=DIR --out=runs/data   # reads DIR/hyperpartisan
    python train.py --config=configs/long_texts.py:hyperpartisan --config.init_from=longformer-4096
    # either with --config.mode=evaluate --config.evaluation.split=test

The first token is global. The hyperparameters are the paper's (appendix, from memory): 15 epochs in batches of 32, a
rate of 3e-5 after a tenth of the steps, then down to zero; the best epoch on validation counts. Published (table 7),
Longformer-base and RoBERTa-base: imdb 95.7 and 95.3 % right, hyperpartisan 94.8 and 87.4 F1, the latter means of five
seeds. IMDB has no validation split: a tenth of the training one is taken. Hyperpartisan is read as published, with 51
of its 65 test articles in train too; runs/data/hyperpartisan holds them out (experiments/finetuning).

Cost, counted and not measured, at base with batches padded to a bucket: hyperpartisan 0.006 EFLOP (1,355 tokens a row,
by GPT-2's vocabulary); imdb, which was not at hand, 0.11 if its rows are of 600; at 100 TFLOP/s one minute and 19. Not
run here but on small files: no pretrained base was at hand either. What small nets reach on Hyperpartisan is in
experiments/finetuning.
"""

from dataclasses import dataclass

from configs import defaults
from configs.argument import parse_argument

BATCH, EPOCHS, RATE = 32, 15, 3e-5


@dataclass(frozen=True)
class Texts:
    """`examples` in its training split, and the classes in TFDS's or prepare.py's order."""

    examples: int
    classes: tuple[str, str]
    best: str


TEXTS = {
    "imdb": Texts(22_500, ("neg", "pos"), best="accuracy"),
    "hyperpartisan": Texts(516, ("false", "true"), best="f1"),
}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(TEXTS), epochs=EPOCHS)
    name, texts = chosen.size, TEXTS[chosen.size]
    steps = -(-chosen.epochs * texts.examples // BATCH)
    config = defaults.get_config()
    config.task = "classification"
    config.workdir = f"runs/{name}"
    config.model.update(name="longformer", from_init=True, dtype="bfloat16", remat="full")
    if name == "imdb":
        config.data.update(source="tfds", name="imdb_reviews")
        config.data.update(train="train[:90%]", validation="train[90%:]", test="test")
    else:
        files = {split: f"runs/data/{name}_published/{split}.jsonl" for split in ("train", "validation", "test")}
        config.data.update(source="files", **files)
    config.data.update(classes=texts.classes, length=4096, buckets=(512, 1024, 2048), length_groups=20)
    config.optimizer.update(learning_rate=RATE, warmup_steps=steps // 10, weight_decay=0.01, schedule="linear")
    config.train.update(steps=steps, batch_size=BATCH, accumulation=4)
    config.evaluation.update(every=steps // chosen.epochs, batch_size=BATCH)
    config.checkpoint.update(every=steps // chosen.epochs, best=texts.best)
    return config
