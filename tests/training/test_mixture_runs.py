"""Training on a mixture through train.py."""

import json

import pytest

from errors import InputError
from tests.training.conftest import read_lines

SHORT = ("train.steps=4", "optimizer.warmup_steps=0", "log.every=1", "evaluation.every=4", "checkpoint.every=2")


def mixed(corpus, *weights):
    places = (f"{corpus}/train/0*.txt", f"{corpus}/labelled_train.jsonl")
    return f"data.mixture={tuple(zip(places, weights, strict=True))!r}"


@pytest.mark.slow
def test_a_mixture_trains_and_going_on_is_as_if_it_had_not_stopped(corpus, tmp_path, run, capfd):
    run(tmp_path / "whole", *SHORT, mixed(corpus, 3, 1))
    told = capfd.readouterr().out
    assert "train/0*.txt: " in told
    assert "labelled_train.jsonl: " in told
    run(tmp_path / "apart", *SHORT, mixed(corpus, 3, 1))
    (tmp_path / "apart" / "checkpoints" / "4").rename(tmp_path / "gone")
    run(tmp_path / "apart", *SHORT, mixed(corpus, 3, 1))
    one, other = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "apart"))
    assert one == other
    run(tmp_path / "other", *SHORT, mixed(corpus, 1, 3))
    assert read_lines(tmp_path / "other" / "metrics.jsonl") != read_lines(tmp_path / "whole" / "metrics.jsonl")
    result = json.loads((tmp_path / "whole" / "result_validation.json").read_text())
    assert 0 < result["baseline"]["loss"] < 10


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ("(('a.txt',),)", "is not a pair such as"),
        ("(('a.txt', 'b.txt'),)", "is not a pair such as"),
        ("(('nowhere.txt', 1.0),)", "nowhere.txt"),
    ],
)
def test_what_is_no_mixture_is_refused(mixture, message, tmp_path, run):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", f"data.mixture={mixture}")


def test_a_classifier_refuses_a_mixture(corpus, tmp_path, run):
    with pytest.raises(InputError, match=r"data.mixture draws rows for masked_lm"):
        run(tmp_path / "run", mixed(corpus, 1, 1), recipe="tiny_classifier.py")
