"""A masked language model that compiles in seconds, with dropout, packing, shuffling and accumulation on."""

from configs import defaults


def get_config(corpus: str):
    config = defaults.get_config()
    config.compilation_cache = f"{corpus}/xla"  # most tests run the same programs
    config.model.update(width=16, depth=1, heads=2, mlp_width=32, max_positions=32, windows=(4,))
    config.tokenizer.vocab_size = 400
    config.data.update(source="files", train=f"{corpus}/train", validation=f"{corpus}/validation", length=32)
    config.data.test = f"{corpus}/blanks.jsonl"
    config.optimizer.update(learning_rate=3e-3, warmup_steps=4)
    config.train.update(steps=12, batch_size=8, accumulation=2)
    config.evaluation.update(every=6, batch_size=8)
    config.checkpoint.update(every=4)
    config.prediction.blanks = ("ban <mask> dor.",)
    config.log.update(every=3, progress=False, tensorboard=False, plot=False)
    return config
