"""The whole study: two pretrainings, then each fine-tuning and its score on the test split, two runs side by side.

    python experiments/finetuning/run.py     # after prepare.py; two to three hours on two cores

Started again, it goes on from the last checkpoints. Each run is held to one core: two runs then finish sooner than one
after the other, as a net this small leaves a second core idle. The last lines name the runs that failed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

Command = list[str]

SEEDS = (0, 1)
NETS = {  # recipe argument and pretrained weights
    "longformer": ("tiny,model=longformer,length=2048", "runs/pretrained-longformer"),
    "transformer": ("tiny,model=transformer,length=512", "runs/pretrained-transformer"),
    "sentences": ("tiny,model=transformer,length=64,positions=512", "runs/pretrained-transformer"),
}
CLASSES = {
    "movie_reviews": "('neg', 'pos')",
    "hyperpartisan": "('false', 'true')",
    "sst2": "('negative', 'positive')",
}
STUDY = (  # data set, net, pretrained, steps
    ("movie_reviews", "longformer", True, 250),
    ("movie_reviews", "transformer", True, 250),
    ("hyperpartisan", "longformer", True, 150),
    ("hyperpartisan", "transformer", True, 150),
    ("sst2", "sentences", True, 800),
    ("movie_reviews", "transformer", False, 250),
    ("movie_reviews", "longformer", False, 250),
    ("hyperpartisan", "transformer", False, 150),
    ("hyperpartisan", "longformer", False, 150),
    ("sst2", "sentences", False, 800),
)


def pretraining(net: str) -> Command:
    recipe, workdir = NETS[net]
    return [
        f"--config=configs/pretrain.py:{recipe}",
        "--config.data.train=runs/data/gutenberg_novels/train",
        "--config.data.validation=runs/data/gutenberg_novels/validation",
        f"--config.workdir={workdir}",
    ]


def fine_tuning(data: str, net: str, pretrained: bool, steps: int, seed: int) -> Command:
    recipe, weights = NETS[net]
    # A net from random weights reads with the same tokenizer, so that the weights alone differ.
    start = f"--config.init_from={weights}" if pretrained else f"--config.tokenizer.path={weights}/tokenizer"
    return [
        f"--config=configs/finetune.py:{recipe}",
        start,
        f"--config.data.classes={CLASSES[data]}",
        *(f"--config.data.{split}=runs/data/{data}/{split}.jsonl" for split in ("train", "validation", "test")),
        f"--config.train.steps={steps}",
        f"--config.seed={seed}",
        f"--config.workdir=runs/{data}-{net}{'' if pretrained else '-random'}-{seed}",
    ]


def side_by_side(runs: Sequence[Sequence[Command]]) -> Iterator[str]:
    """Runs each list of commands in order, one list on each core; yields the commands that failed."""
    cores: SimpleQueue = SimpleQueue()
    for core in sorted(os.sched_getaffinity(0))[:2]:
        cores.put(core)

    def one(commands: Sequence[Command]) -> str:
        core = cores.get()
        try:
            for arguments in commands:
                command = [sys.executable, "train.py", *arguments]
                if subprocess.run(command, preexec_fn=lambda: os.sched_setaffinity(0, {core})).returncode:
                    return " ".join(arguments)
            return ""
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        yield from filter(None, pool.map(one, runs))


def main() -> int:
    score = ["--config.mode=evaluate", "--config.evaluation.split=test"]
    tunings = [fine_tuning(*row, seed) for row in STUDY for seed in SEEDS]
    failed = [*side_by_side([[pretraining(net)] for net in ("longformer", "transformer")])]
    failed += side_by_side([[tuning, [*tuning, *score]] for tuning in tunings])
    for arguments in failed:
        print(f"failed: python train.py {arguments}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
