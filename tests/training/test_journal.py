import json
import sys
from types import SimpleNamespace

import pytest

from errors import InputError
from training.journal import Journal, draw_loss, keep_lines_up_to, read_lines

QUIET = SimpleNamespace(progress=False, tensorboard=True, wandb="", plot=True)


def test_lines_past_the_checkpoint_and_a_torn_last_line_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step, "split": "train", "loss": 1.0}) + "\n" for step in (1, 2, 3)]
    path.write_text("".join(lines) + '{"step": 2, "spl')
    keep_lines_up_to(path, 2)
    assert path.read_text() == "".join(lines[:2])


def test_a_journal_writes_lines_events_and_a_curve(tmp_path, capsys):
    journal = Journal(tmp_path, QUIET, steps=2, start=0, config={})
    for step in (1, 2):
        journal.metrics(step, "train", {"loss": 3.0 / step})
    journal.metrics(2, "validation", {"loss": 1.25})
    journal.speed(2, {"tokens_per_second": 10.0})
    journal.close()
    assert [line["loss"] for line in read_lines(tmp_path / "metrics.jsonl")] == [3.0, 1.5, 1.25]
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    assert draw_loss(tmp_path, baseline=("unigram", 2.0)).read_bytes().startswith(b"\x89PNG")
    assert "validation  loss 1.25" in capsys.readouterr().out


def test_directories_of_one_name_are_runs_of_their_own_at_weights_and_biases(tmp_path, monkeypatch):
    begun = []
    stub = SimpleNamespace(init=lambda **how: begun.append(how) or SimpleNamespace(finish=lambda: None))
    monkeypatch.setitem(sys.modules, "wandb", stub)
    for parent in ("small", "large", "large"):  # the last is started again
        directory = tmp_path / parent / "run"
        directory.mkdir(parents=True, exist_ok=True)
        settings = SimpleNamespace(progress=False, tensorboard=False, wandb="project", plot=False)
        Journal(directory, settings, steps=2, start=0, config={}).close()
    small, large, again = (how["id"] for how in begun)
    assert small != large == again
    assert {how["name"] for how in begun} == {"run"}


def test_only_the_first_process_writes(tmp_path):
    journal = Journal(tmp_path, QUIET, steps=2, start=0, config={}, active=False)
    journal.metrics(1, "train", {"loss": 1.0})
    journal.close()
    assert not list(tmp_path.iterdir())


def test_a_whole_line_that_is_no_json_is_named_and_the_file_stays(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo\n{"step": 3}\n')
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"metrics\.jsonl:2: is not valid JSON .*; take that line out"):
        keep_lines_up_to(path, 3)
    assert path.read_bytes() == before
