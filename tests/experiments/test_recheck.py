"""A record is measured again by its own command, and a number that no longer holds is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from work_directories import record

from errors import InputError
from experiments import ledger
from experiments.recheck import find, measured_again
from experiments.record import write_record

PROGRAM = """
import json, pathlib, sys
given = dict(word.removeprefix("--config").lstrip(".").split("=", 1) for word in sys.argv[1:])
directory = pathlib.Path(given["workdir"])
directory.mkdir(exist_ok=True)
if given.get("mode") != "evaluate":
    (directory / "trained").write_text(given["seed"])
    sys.exit()
if given["model"] == "none":
    sys.exit("train.py: there is no such model")
score = 0.8 + float((directory / "trained").read_text()) / 10
(directory / f"result_{given['evaluation.split']}.json").write_text(json.dumps({"accuracy": score}))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


def made(model: str = "longformer", **changes):
    command = (
        f"python train.py --config=configs/reviews.py --config.model={model} --config.workdir=runs/x --config.seed=0"
    )
    return record(command=command, values=(0.8, 0.9), **changes)


def test_the_recorded_command_gives_the_recorded_scores_again(root):
    again = list(measured_again(made(), root=root))
    assert [(each.seed, each.found, each.holds) for each in again] == [(0, 0.8, True), (1, 0.9, True)]
    assert [each.seed for each in measured_again(made(), seeds=(1,), root=root)] == [1]


def test_scores_are_made_again_by_the_command_that_made_them(root):
    (root / "train.py").write_text(PROGRAM.replace("0.8 +", "(0.8 if given['model'] == 'longformer' else 0.7) +"))
    scored = f"{made().command} --config.mode=evaluate --config.model=other --config.evaluation.split=validation"
    assert [each.found for each in measured_again(made(), root=root)] == [0.8, 0.9]
    found = [each.found for each in measured_again(made(scored_by=scored), root=root)]
    assert found == pytest.approx([0.7, 0.8])


def test_a_command_may_have_been_given_in_any_form_that_train_reads(root):
    command = "python train.py -config=configs/reviews.py --config.model x --config.workdir runs/x -config.seed=7"
    assert [each.holds for each in measured_again(replace(made(), command=command), root=root)] == [True, True]
    started = replace(made(), command=f"{command} --config.init_from runs/first-0")
    with pytest.raises(InputError, match="starts from another run's weights"):
        list(measured_again(started, root=root))


def test_a_tolerance_that_is_none_is_refused_before_anything_is_trained(root):
    for tolerance in (-0.01, float("nan")):
        with pytest.raises(InputError, match=r"--tolerance=.* should be 0 or more"):
            list(measured_again(made("none"), tolerance=tolerance, root=root))


def test_a_score_that_has_drifted_fails_the_command(root, capsys):
    (root / "experiments" / "finetuning").mkdir(parents=True)
    path = write_record(made(), root / "experiments")
    name = "finetuning/reviews-longformer.test.accuracy"
    assert ledger.main([f"--recheck={name}"], root=root) == 0
    (root / "train.py").write_text(PROGRAM.replace("0.8", "0.83"), encoding="utf-8")
    assert ledger.main([f"--recheck={name}"], root=root) == 1
    assert "seed 0: 0.8 was recorded, 0.83 found: HAS DRIFTED" in capsys.readouterr().out
    assert ledger.main([f"--recheck={name}", "--tolerance=0.05"], root=root) == 0
    assert json.loads(path.read_text())["values"] == [0.8, 0.9]


def test_what_can_not_be_measured_again_is_told(root, capsys):
    with pytest.raises(InputError, match=r"ended with 1: train.py: there is no such model"):
        list(measured_again(made("none"), root=root))
    with pytest.raises(InputError, match="seed 7 is not recorded; the record has 0, 1"):
        list(measured_again(made(), seeds=(7,), root=root))
    with pytest.raises(InputError, match="starts from another run's weights"):
        list(measured_again(made("x --config.init_from=runs/first-0"), root=root))
    with pytest.raises(InputError, match="no 'f1'; it has accuracy"):
        list(measured_again(made(metric="f1"), root=root))
    with pytest.raises(InputError, match=r"did you mean 'finetuning/reviews-longformer.test.accuracy'"):
        find([made()], "finetuning/reviews-longformer.test.acuracy")
    assert ledger.main(["--recheck=nothing/of.that.name"], root=root) == 2
    assert "--recheck" in capsys.readouterr().err
