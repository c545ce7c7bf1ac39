"""Tasks: each joins its batches, loss, scores and predictions behind the protocol of `tasks/task.py`."""

from tasks.classification import Classification
from tasks.masked_lm import MaskedLM
from tasks.texts import load_tokenizer

TASKS = {
    "masked_lm": MaskedLM,
    "classification": Classification,
}

__all__ = ["TASKS", "load_tokenizer"]
