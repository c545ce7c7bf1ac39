"""At most five minutes on two CPU cores: a small Longformer learns to fill in blanks in Python's own standard library.

python train.py --config=configs/quickstart.py          # the whole
python train.py --config=configs/quickstart.py:short    # about a minute, to see that everything runs
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import set_size


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=("full", "short"))
    config = defaults.get_config()
    config.workdir = "runs/quickstart"
    set_size(config, "tiny", max_positions=512, windows=(64,))
    config.data.length = 512
    config.data.max_bytes = 6_000_000
    config.tokenizer.vocab_size = 4096
    config.masking.unigram_bias = True
    config.train.batch_size = 4
    config.train.steps = 800
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 50
    config.evaluation.every = 100
    config.evaluation.batches = 20
    config.checkpoint.every = 200
    config.prediction.blanks = (
        "import <mask>\n",
        "def __init__(<mask>):\n",
        "for i in <mask>(10):\n",
        "    if x is <mask> None:\n        return False\n",
    )
    if chosen.size == "short":
        config.workdir = "runs/quickstart_short"
        config.data.max_bytes = 1_000_000
        config.tokenizer.vocab_size = 2048
        config.train.steps = 30
        config.optimizer.warmup_steps = 5
        config.evaluation.every = config.checkpoint.every = 15
        config.evaluation.batches = 5
    return config
