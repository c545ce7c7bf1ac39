"""Rows of which no token is hidden: a split of them is refused, and a line of the journal has no scores."""

import pytest

from data.tokenizer import Tokenizer
from errors import InputError
from tasks.masked_lm import MaskedLM
from tests.tasks.files import config_of, write_lines
from training.tally import line_values


@pytest.fixture
def task(tmp_path) -> MaskedLM:
    for split, text in (("train", "a b c d e f g h " * 8), ("validation", "a")):
        write_lines(tmp_path / f"{split}.jsonl", [{"text": text}])
    tokenizer = Tokenizer.train("byte_bpe", ["a b c d"], vocab_size=270)
    return MaskedLM(config_of(tmp_path, "masked_lm"), tokenizer, tmp_path)


def test_a_split_of_which_no_token_is_hidden_is_refused_before_it_is_scored(task):
    assert list(task.evaluation_batches("train"))
    with pytest.raises(
        InputError, match=r"no token of the validation split is masked: name longer texts in data.valid"
    ):
        task.evaluation_batches("validation")


def test_a_line_of_steps_in_which_no_token_was_hidden_has_no_scores(task):
    totals = {"steps": 1.0, "skipped": 0.0, "gradient_norm": 0.0, "norm_steps": 0.0}
    totals |= {"loss": 0.0, "weight": 0.0, "correct": 0.0}
    assert line_values(task, totals, layers=()) == {"gradient_norm": 0.0, "skipped": 0}
