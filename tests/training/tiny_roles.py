"""The tiny net as a labeller of roles, on sentences that its test makes."""

from tests.training import tiny_recipe


def get_config(corpus: str):
    config = tiny_recipe.get_config(corpus)
    config.task = "semantic_roles"
    config.model.update(name="transformer", norm="pre", positions="rotary", token_types=12, depth=2, width=32)
    config.model.update(dropout_rate=0.0, attention_dropout_rate=0.0)
    config.tokenizer.update(kind="wordpiece", vocab_size=300)
    config.data.update(train=f"{corpus}/roles/train.conll", validation=f"{corpus}/roles/validation.conll")
    config.data.update(test=f"{corpus}/roles/plain.txt", documents="line", length=48, buckets=(24,))
    config.data.global_tokens = "none"
    config.optimizer.update(learning_rate=1e-2, warmup_steps=10)
    config.train.update(steps=60, accumulation=1)
    config.evaluation.update(every=60, graded=True, batch_size=16)
    config.checkpoint.update(every=60, best="f1")
    config.prediction.blanks = ()
    return config
