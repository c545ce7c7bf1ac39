from pathlib import Path

import pytest

from configs import command_line
from experiments.finetuning.sweep import PRETRAINED, TUNED, get_sweep


@pytest.mark.parametrize("name", [*PRETRAINED, *TUNED])
def test_every_command_of_the_study_parses_and_starts_as_its_name_says(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    sweep = get_sweep(name)
    sweep.check()
    pretrained = {point.workdir.as_posix() for each in PRETRAINED for point in get_sweep(each).points()}
    for point in sweep.points():
        config = command_line.parse(["train.py", *point.commands[0]])
        from_random = "-random" in name
        assert (config.init_from in pretrained) == ((name in TUNED and not from_random) or name == "pretrained-further")
        assert (config.tokenizer.path.removesuffix("/tokenizer") in pretrained) == from_random


def test_both_nets_go_on_from_the_same_transformer_or_each_from_its_own():
    starts = {name: get_sweep(f"hyperpartisan-{name}").keys["init_from"] for name in ("longformer", "transformer")}
    assert len(set(starts.values())) == 2
    further = {get_sweep(f"hyperpartisan-{name}-further").keys["init_from"] for name in starts}
    assert further == {"runs/finetuning/pretrained-further/points/seed=0"}
