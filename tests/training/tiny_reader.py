"""The tiny net as a reader that answers questions from documents."""

from tests.training import tiny_recipe


def get_config(corpus: str):
    config = tiny_recipe.get_config(corpus)
    config.task = "question_answering"
    config.model.name = "transformer"
    config.model.update(token_types=3, norm="pre", positions="rotary", dropout_rate=0.0, attention_dropout_rate=0.0)
    config.data.update(train=f"{corpus}/asked_train.json", validation=f"{corpus}/asked_validation.json")
    config.data.update(test=f"{corpus}/asked_test.json", text="context", text_pair="question")
    config.data.update(length=32, stride=8, question_length=8, buckets=(24,), mark_overlap=True)
    config.train.update(accumulation=1)
    config.prediction.update(top=20, max_answer=4)
    config.evaluation.graded = True
    config.checkpoint.best = "f1"
    return config
