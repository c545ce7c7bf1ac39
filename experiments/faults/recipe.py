"""A Longformer that compiles in seconds, with dropout, packing, shuffling, accumulation, and a save every ten steps.

python train.py --config=experiments/faults/recipe.py --config.workdir=runs/faults
"""

from configs import defaults


def get_config():
    config = defaults.get_config()
    config.workdir = "runs/faults"
    config.model.update(width=64, depth=2, heads=2, mlp_width=128, max_positions=64, windows=(8,))
    config.tokenizer.vocab_size = 512
    config.data.update(length=64, max_bytes=300_000)
    config.optimizer.update(learning_rate=3e-3, warmup_steps=10)
    config.train.update(steps=600, batch_size=8, accumulation=2)
    config.evaluation.update(every=50, batch_size=8, batches=2)
    config.checkpoint.update(every=10, keep=3)
    config.log.update(every=5, progress=False, tensorboard=False, plot=False)
    return config
