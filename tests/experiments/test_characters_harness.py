import json

import pytest

from errors import InputError
from experiments.characters.harness import CHOICES, CONTEXT, TASKS, questions, write_tasks
from experiments.characters.page import harness_table

TEXT = "".join(f"Line number {n} says that {n * n} is the square of it.\n" for n in range(300))


def test_the_right_choice_is_the_line_that_comes_next_and_the_others_are_not():
    asked = questions(TEXT, 50, seed=1)
    assert asked == questions(TEXT, 50, seed=1)
    assert len(asked) == 50
    for question in asked:
        assert len(question["context"]) == CONTEXT
        assert len(set(question["choices"])) == CHOICES
        follows = [question["context"] + choice in TEXT for choice in question["choices"]]
        assert [place for place, right in enumerate(follows) if right] == [question["answer"]]
    assert len({question["answer"] for question in asked}) == CHOICES


def test_a_text_of_few_lines_is_refused():
    with pytest.raises(InputError, match="fewer than 50"):
        questions(TEXT[:1000], 50, seed=0)


def test_the_tasks_hold_the_whole_text(tmp_path):
    write_tasks(tmp_path, TEXT)
    pieces = [json.loads(line)["text"] for line in (tmp_path / "pieces.jsonl").read_text().splitlines()]
    assert "".join(pieces) == TEXT
    for name in TASKS:
        described = json.loads((tmp_path / f"{name}.yaml").read_text())
        assert described["dataset_kwargs"]["data_files"]["test"] == str(tmp_path / f"{name}.jsonl")


def test_the_table_tells_how_far_two_backends_are_apart():
    scores = {"ours": {"next_line": {"acc,none": 0.5}}, "transformers": {"next_line": {"acc,none": 0.25}}}
    report = {"command": "c", "commit": "0" * 40, "versions": {}, "cpu": "a", "cores": 2, "scores": scores}
    assert "| next_line | acc,none | 0.500000 | 0.250000 | 2.5e-01 |" in harness_table(report)
