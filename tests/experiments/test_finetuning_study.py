from pathlib import Path

import pytest

from experiments.finetuning.sweep import PRETRAINED, TUNED, get_sweep


@pytest.mark.parametrize("name", [*PRETRAINED, *TUNED])
def test_every_command_of_the_study_parses_and_starts_from_a_pretraining_of_it(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    sweep = get_sweep(name)
    sweep.check()
    pretrained = [point.workdir.as_posix() for each in PRETRAINED for point in get_sweep(each).points()]
    start = sweep.keys.get("init_from") or str(sweep.keys.get("tokenizer.path", "")).removesuffix("/tokenizer")
    assert start in pretrained or name in ("pretrained-longformer", "pretrained-transformer")


def test_both_nets_go_on_from_the_same_transformer_or_each_from_its_own():
    starts = {name: get_sweep(f"hyperpartisan-{name}").keys["init_from"] for name in ("longformer", "transformer")}
    assert len(set(starts.values())) == 2
    further = {get_sweep(f"hyperpartisan-{name}-further").keys["init_from"] for name in starts}
    assert further == {"runs/finetuning/pretrained-further/points/seed=0"}
