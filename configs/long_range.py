r"""Long Range Arena, repaired: one task with one net, from nothing or from the task's own inputs first.

    python -m experiments.long_range.listops --to=runs/data/listops
    python train.py --config=configs/long_range.py:listops,net=longformer --config.seed=0

    # self-pretraining (Amos et al. 2023): the same inputs with holes in them, then the labels
    python train.py --config=configs/long_range.py:listops,net=longformer,pretrain=True --config.workdir=runs/holes
    python train.py --config=configs/long_range.py:listops,net=longformer --config.init_from=runs/holes

Tasks: listops, text (IMDB by TFDS, bytes), retrieval (whether one of two papers cites the other, bytes, each read by
itself), image, pathfinder, path_x. Nets: transformer; local (a window of 25 or 32 tokens on each side); longformer (256
on each side, no global token, as LRA's); longformer_global (the first token is global).

`settings=repository` takes the hyperparameters of LRA's config files, `settings=paper` those of the paper's appendix
where it tells others (listops and text: six layers; text of 4,096 bytes), `settings=reduced` a small net for two
processor cores, and ListOps of shorter rows, which experiments/long_range/README.md tells how to make. The best
validation score decides which checkpoint is tested, where LRA tested the last one. What else differs from LRA, such as
what nets begin with: experiments/long_range/README.md.

Published, one run each (Tay et al. 2020, table 1), Transformer and Longformer: listops 36.37 and 35.63, text 64.27 and
62.85, retrieval 57.46 and 56.89, image 42.44 and 42.22, pathfinder 71.40 and 69.71, path_x at chance. Chance: 17.5, 50,
50, 10, 50, 50.

Retrieval reads LRA's release, runs/data/retrieval/new_aan_pairs.{train,eval,test}.tsv, which was not at hand here; it
was tried on made-up files of that form. --config.model.interaction=nli shows the last layers products and differences
of the two vectors too: LRA's code can, its settings do not. With pretrain=True only each pair's first paper is read.

Cost at the repository's settings, the products of models/cost.py for all steps, nothing measured: listops 32 PFLOP
(Longformer 20), text 20 at 1,000 bytes, retrieval 38 (10), image 11 (27), pathfinder 29, path_x 1,660 (64). None was
run yet.

Pathfinder's places are sinusoids in LRA's files, with which its users report chance (its issue 60): for learned ones,
--config.model.positions=learned. What those files say of a Longformer on path_x is not known; it has the Transformer's.
"""

from dataclasses import dataclass, replace

from configs import defaults
from configs.argument import parse_argument
from errors import InputError, pick


@dataclass(frozen=True)
class Task:
    """`length` is in words of the input; `rate` is reached at the end of `warmup` steps; `every` is in steps."""

    length: int
    width: int
    depth: int
    heads: int
    key_width: int
    mlp_width: int
    batch: int
    steps: int
    rate: float
    warmup: int
    every: int
    schedule: str = "rsqrt"
    decay: float = 0.1
    pooling: str = "first"
    positions: str = "sinusoidal"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    masked: float = 0.15  # share of the inputs hidden in self-pretraining
    clip: float = 0.0
    window: int = 0  # W, tokens on each side, of all nets but the Transformer
    buckets: tuple[int, ...] = ()  # shorter lengths that batches of labelled texts are padded to
    groups: int = 0  # this many batches at a time are sorted by length
    folder: str = ""  # of runs/data; "" = the task's name


REPOSITORY = {
    "listops": Task(2000, 512, 4, 8, 64, 1024, 32, 5_000, 0.05 / 1000**0.5, 1000, 50),
    "text": Task(1000, 256, 4, 4, 64, 1024, 32, 20_000, 0.05 / 8000**0.5, 8000, 100),
    # Its rate would rise for 8,000 steps: these are as much of that as it trains.
    "retrieval": Task(4000, 128, 4, 4, 32, 512, 32, 5_000, 0.05 / 8000**0.5 * 4_999 / 8_000, 4_999, 100),
    "image": Task(
        1024, 128, 1, 8, 8, 128, 256, 35_000, 5e-4, 175, 175,
        schedule="cosine", decay=0.0, positions="learned", dropout=0.3, attention_dropout=0.2, masked=0.5,
    ),
    "pathfinder": Task(
        1024, 32, 4, 4, 4, 32, 512, 62_400, 1e-3, 312, 312,
        schedule="cosine", decay=0.0, pooling="mean", dropout=0.2, masked=0.5,
    ),
    "path_x": Task(
        16384, 32, 1, 2, 8, 32, 64, 500_000, 1e-3, 2_500, 2_500,
        schedule="cosine", decay=0.0, pooling="mean", positions="learned", masked=0.5, clip=1.0,
    ),
}  # fmt: skip
# Nets differ in more than attention there. A block of 50 or 64 tokens is a window of half of it on each side.
OF_NETS = {
    "transformer": {},
    "local": {
        "image": {"heads": 2, "key_width": 32, "pooling": "mean", "window": 32},
        "pathfinder": {"depth": 2, "width": 64, "key_width": 8, "mlp_width": 64, "window": 32},
    },
    "longformer": {
        "image": {"depth": 4, "heads": 4, "key_width": 16, "pooling": "mean"},
        "pathfinder": {"depth": 2, "heads": 2, "key_width": 8, "dropout": 0.1},
    },
}
OF_NETS["longformer_global"] = OF_NETS["longformer"]
WINDOWS = {"local": 25, "longformer": 256, "longformer_global": 256}
PAPER = {
    "listops": {"depth": 6, "mlp_width": 2048},
    "text": {"depth": 6, "width": 512, "heads": 8, "mlp_width": 2048, "length": 4096},
}
SMALL = {"width": 128, "depth": 4, "heads": 4, "key_width": 32, "mlp_width": 512, "batch": 32, "steps": 2_000,
         "rate": 1e-3, "warmup": 100, "every": 100, "schedule": "cosine", "decay": 0.1, "dropout": 0.1,
         "attention_dropout": 0.0}  # fmt: skip
REDUCED = {
    "listops": SMALL | {
        "length": 256, "positions": "rotary", "steps": 1_200, "every": 200, "buckets": (64, 96, 128, 192), "groups": 20,
        "folder": "listops_short",
    },
    "text": SMALL | {"length": 512, "positions": "rotary"},
    "retrieval": SMALL | {"length": 512, "positions": "rotary", "batch": 16},
    "image": SMALL | {"depth": 2, "batch": 16, "pooling": "mean", "steps": 600, "every": 300},
    "pathfinder": SMALL | {"depth": 2, "batch": 16, "pooling": "mean"},
}  # fmt: skip
REDUCED_WINDOWS = {"local": 8, "longformer": 32, "longformer_global": 32}


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(REPOSITORY), net="transformer", settings="repository", pretrain=False)
    name, task = chosen.size, _task(chosen)
    config = defaults.get_config()
    labelled = "matching" if name == "retrieval" else "classification"
    config.task = "masked_lm" if chosen.pretrain else labelled
    config.workdir = "_".join(("runs/long_range", name, chosen.net) + ("pretrained",) * chosen.pretrain)
    _set_net(config.model, chosen, task)
    _set_data(config, chosen, task.folder or name)
    config.data.length = task.length + 2  # the first and the last token are special
    config.data.global_tokens = "first" if chosen.net == "longformer_global" else "none"
    config.optimizer.update(learning_rate=task.rate, schedule=task.schedule, warmup_steps=task.warmup)
    config.optimizer.update(beta2=0.98, epsilon=1e-9, weight_decay=task.decay, clip_norm=task.clip)
    config.train.update(steps=task.steps, batch_size=task.batch)
    config.evaluation.update(every=task.every, batch_size=task.batch)
    config.checkpoint.update(every=task.every, best="loss" if chosen.pretrain else "accuracy")
    if chosen.pretrain:
        config.masking.rate = task.masked
    else:
        config.data.update(buckets=task.buckets, length_groups=task.groups)
    return config


def _task(chosen) -> Task:
    tables = {"repository": {name: {} for name in REPOSITORY}, "paper": PAPER, "reduced": REDUCED}
    known = pick(tables, chosen.settings, key="settings of the config argument")
    if chosen.size not in known:
        raise InputError(f"settings={chosen.settings} has nothing for {chosen.size}, only for {', '.join(known)}")
    changes = pick(OF_NETS, chosen.net, key="net of the config argument").get(chosen.size, {})
    windows = WINDOWS
    if chosen.settings == "reduced":
        changes, windows = {}, REDUCED_WINDOWS
    return replace(REPOSITORY[chosen.size], **{"window": windows.get(chosen.net, 0)} | changes | known[chosen.size])


def _set_data(config, chosen, folder: str) -> None:
    name, data = chosen.size, config.data
    if name in ("text", "retrieval"):
        config.tokenizer.update(kind="byte_bpe", vocab_size=261)  # every byte, and five special tokens
    else:
        config.tokenizer.path = f"runs/data/{folder}"
    if name == "text":
        data.update(source="tfds", name="imdb_reviews", train="train[:90%]", validation="train[90%:]", test="test")
        return
    files = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    if name == "retrieval":
        parts = {"train": "train", "validation": "eval", "test": "test"}
        files = {split: f"new_aan_pairs.{part}.tsv" for split, part in parts.items()}
        data.update(columns=("label", "id1", "id2", "text1", "text2"), text="text1")
        data.text_pair = "" if chosen.pretrain else "text2"
    data.update({split: f"runs/data/{folder}/{file}" for split, file in files.items()}, source="files")


def _set_net(model, chosen, task: Task) -> None:
    model.update(width=task.width, depth=task.depth, heads=task.heads, key_width=task.key_width)
    model.update(mlp_width=task.mlp_width, dropout_rate=task.dropout, attention_dropout_rate=task.attention_dropout)
    model.update(norm="pre", norm_epsilon=1e-6, positions=task.positions, max_positions=task.length + 2)
    model.update(name="transformer", pooling=task.pooling)
    if task.window:
        model.update(name="longformer", windows=(task.window,))
