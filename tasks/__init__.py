"""Tasks: each joins its batches, loss, scores and predictions behind the protocol of `tasks/task.py`."""

from data.loader import Share
from tasks.candidates import Candidates
from tasks.causal_lm import CausalLM
from tasks.classification import Classification
from tasks.coreference import Coreference
from tasks.denoising import Denoising
from tasks.masked_lm import MaskedLM
from tasks.matching import Matching
from tasks.multi_hop import MultiHop
from tasks.multiple_choice import MultipleChoice
from tasks.question_answering import QuestionAnswering
from tasks.regression import Regression
from tasks.semantic_roles import SemanticRoles
from tasks.span_corruption import SpanCorruption
from tasks.summarisation import Summarisation
from tasks.texts import load_tokenizer, vocab_rows
from tasks.translation import Translation
from tasks.zero_shot import ZeroShot

TASKS = {
    "masked_lm": MaskedLM,
    "causal_lm": CausalLM,
    "classification": Classification,
    "regression": Regression,
    "zero_shot": ZeroShot,
    "multiple_choice": MultipleChoice,
    "matching": Matching,
    "candidates": Candidates,
    "span_corruption": SpanCorruption,
    "denoising": Denoising,
    "translation": Translation,
    "summarisation": Summarisation,
    "semantic_roles": SemanticRoles,
    "question_answering": QuestionAnswering,
    "multi_hop": MultiHop,
    "coreference": Coreference,
}

__all__ = ["TASKS", "Share", "load_tokenizer", "vocab_rows"]
