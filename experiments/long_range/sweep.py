r"""Small nets for two processor cores, from nothing and after the inputs themselves (README.md: which were run).

    python -m sweeps run experiments/long_range/sweep.py:listops-transformer
    python -m sweeps run experiments/long_range/sweep.py:listops-longformer_global-inputs   # holes in the inputs, first
    python -m sweeps run experiments/long_range/sweep.py:listops-longformer_global-after    # the labels, from there
    python -m sweeps run experiments/long_range/sweep.py:image-transformer-longer           # three times the steps

A name is TASK-NET, TASK-NET-inputs, TASK-NET-after or TASK-NET-longer, with the tasks and nets of configs/long_range.py
that have reduced settings. Read are runs/data/TASK, and for ListOps runs/data/listops_short, made by

    python -m experiments.long_range.listops --to=runs/data/listops_short --train=20000 --shortest=30 \
        --longest=256 --depth=6
"""

from configs import long_range
from errors import InputError, pick
from sweeps import Sweep

NETS = tuple(long_range.OF_NETS)
STAGES = ("", "inputs", "after", "longer")
LONGER = 3  # times the steps, and as many evaluations
SEEDS = (0, 1)


def get_sweep(name: str) -> Sweep:
    task, _, rest = name.partition("-")
    net, _, stage = rest.partition("-")
    pick(long_range.REDUCED, task, key="the task after the colon")
    if net not in NETS or stage not in STAGES:
        raise InputError(f"{rest!r} is no net of {', '.join(NETS)}, alone or with -inputs, -after or -longer")
    pretrain = stage == "inputs"
    inputs = f"runs/long_range/{task}-{net}-inputs/points/seed={{seed}}"
    more = {"train.steps": "steps", "evaluation.every": "every", "checkpoint.every": "every"}
    longer = {key: LONGER * long_range.REDUCED[task][name] for key, name in more.items()}
    return Sweep(
        recipe=f"configs/long_range.py:{task},net={net},settings=reduced" + (",pretrain=True" if pretrain else ""),
        keys={"after": {"init_from": inputs}, "longer": longer}.get(stage, {}),
        seeds=SEEDS,
        splits=("validation",) if pretrain else ("validation", "test"),
        metric="loss" if pretrain else "accuracy",
        goal="min" if pretrain else "max",
        directory=f"runs/long_range/{name}",
    )
