r"""Classification of short or long texts from a pretrained checkpoint; Longformers attend globally on the first token.

    python train.py --config=configs/finetune.py:tiny,model=longformer,length=2048 \
        --config.init_from=runs/pretrain_longformer_tiny --config.data.classes="('negative', 'positive')" \
        --config.data.train=train.jsonl --config.data.validation=validation.jsonl --config.data.test=test.jsonl

The size and the model must be those of the checkpoint, but that a Longformer may start from a Transformer whose
positions are rotary; so must `positions` for base and large, which learn them. Of a published net
--config.model.from_init=True takes all of these. The long texts of Longformer's paper: long_texts.py.
`lora=8` in the argument trains adaptations of that rank, and the head, alone (Hu et al. 2021).
"""

from configs import defaults
from configs.argument import parse_argument
from configs.sizes import SIZES, set_size

# Narrow nets take, and need, larger steps; base and large as in Liu et al. 2019, table 10.
RATES = {"tiny": 3e-4, "small": 1e-4, "base": 3e-5, "large": 2e-5}


ADAPTATIONS_ALONE = ((r".*\.lora_[ab]", {"learning_rate": 1.0}), (r"encoder\..*", {"learning_rate": 0.0}))


def get_config(argument: str = ""):
    chosen = parse_argument(argument, sizes=tuple(SIZES), model="longformer", length=512, positions=0, lora=0)
    config = defaults.get_config()
    config.task = "classification"
    config.workdir = "runs/finetune"
    set_size(config, chosen.size, name=chosen.model, max_positions=chosen.positions or chosen.length)
    config.data.source = "files"
    config.data.length = chosen.length
    config.data.buckets = tuple(chosen.length // part for part in (8, 4, 2) if chosen.length // part >= 32)
    config.optimizer.update(learning_rate=RATES[chosen.size], warmup_steps=20, weight_decay=0.1, schedule="linear")
    if chosen.lora:
        config.model.lora_rank = chosen.lora
        config.optimizer.learning_rate = 10 * RATES[chosen.size]  # as large as in Hu et al. 2021, table 9
        config.optimizer.rules = ADAPTATIONS_ALONE
    config.train.update(steps=400, batch_size=16)
    config.evaluation.update(every=50, batch_size=16)
    config.checkpoint.update(every=50, keep=2, best="accuracy")
    return config
