"""The tiny net as a classifier of labelled texts."""

from tests.training import tiny_recipe


def get_config(corpus: str):
    config = tiny_recipe.get_config(corpus)
    config.task = "classification"
    config.data.update(train=f"{corpus}/labelled_train.jsonl", validation=f"{corpus}/labelled_validation.jsonl")
    config.data.update(test=f"{corpus}/labelled_test.jsonl", classes=("bad", "good"), buckets=(16,))
    config.checkpoint.best = "accuracy"
    return config
