"""What train.py promises of training, evaluation and prediction."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from configs import defaults
from errors import InputError
from tests.training.conftest import ROOT, read_lines
from training.loop import check_settings
from training.mesh import ONE_DEVICE, make_mesh

ONE_STEP = ("train.steps=2", "optimizer.warmup_steps=1", "evaluation.every=2")
PRETRAINING = (
    "train.steps=600",
    "optimizer.learning_rate=1e-2",
    "optimizer.warmup_steps=20",
    "evaluation.every=600",
    "checkpoint.every=600",
)
NO_DROPOUT = ("model.dropout_rate=0.0", "model.attention_dropout_rate=0.0")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, run) -> Path:
    workdir = tmp_path_factory.mktemp("pretrained") / "run"
    run(workdir, *PRETRAINING)
    return workdir


def last(workdir: Path, split: str) -> dict:
    return [line for line in read_lines(workdir / "metrics.jsonl") if line["split"] == split][-1]


def test_training_beats_the_unigram_baseline(pretrained):
    result = json.loads((pretrained / "result_validation.json").read_text())
    print(f"loss {result['loss']:.3f}, unigram {result['baseline']['loss']:.3f}")
    assert result["loss"] < result["baseline"]["loss"] - 0.3


def test_evaluation_gives_the_score_that_training_wrote(pretrained, run):
    trained = last(pretrained, "validation")
    run(pretrained, *PRETRAINING, "mode=evaluate")
    again = json.loads((pretrained / "result_validation.json").read_text())
    assert again["step"] == again["trained_steps"] == 600
    assert again["loss"] == trained["loss"]


def test_blanks_are_filled_into_a_json_lines_file(pretrained, run):
    run(pretrained, *PRETRAINING, "mode=predict", "prediction.top=3")
    (line,) = read_lines(pretrained / "predictions.jsonl")
    (blank,) = line["blanks"]
    assert line["text"] == "ban <mask> dor."
    assert len(blank) == 3
    assert blank[0]["probability"] >= blank[1]["probability"]


def test_a_person_types_a_text_with_blanks(pretrained, talk):
    out, err = talk(pretrained, "ban <mask> dor.", "no blank", "<mask> <mask>", settings=PRETRAINING)
    assert len(out[-3].split("%  ")) == 5  # prediction.top
    assert all(line.count("%") == 5 for line in out[-3:])
    assert any("the line: a text to fill in needs 1 to 5 times <mask>, this one has 0" in line for line in err)
    assert err[-1].startswith("2 replies, median")


def test_fine_tuning_takes_the_encoder_and_learns_the_classes(pretrained, tmp_path, run, capsys):
    settings = ("train.steps=120", f"init_from={pretrained}", "evaluation.every=60", "optimizer.learning_rate=5e-3")
    run(tmp_path / "tuned", *settings, recipe="tiny_classifier.py")
    told = capsys.readouterr().out
    assert "parameters taken" in told
    (fresh,) = (line for line in told.splitlines() if "fresh here" in line)
    assert set(fresh.partition(": ")[2].split(", ")) == {
        f"head.{m}.{p}" for m in ("pool", "output") for p in ("kernel", "bias")
    }
    result = json.loads((tmp_path / "tuned" / "result_validation.json").read_text())
    assert result["baseline"]["accuracy"] == 0.5
    assert result["accuracy"] > 0.8

    run(tmp_path / "tuned", *settings, "mode=predict", recipe="tiny_classifier.py")
    lines = read_lines(tmp_path / "tuned" / "predictions.jsonl")
    assert [line["origin"].split(":")[-1] for line in lines] == [str(n) for n in range(1, 9)]
    assert all(abs(sum(line["probabilities"].values()) - 1) < 1e-4 for line in lines)


def test_accumulation_changes_the_memory_and_not_the_result(tmp_path, run):
    for parts in (1, 4):
        run(tmp_path / f"a{parts}", *ONE_STEP, *NO_DROPOUT, f"train.accumulation={parts}", "log.every=1")
    one, four = (last(tmp_path / f"a{parts}", "train") for parts in (1, 4))
    error = abs(one["gradient_norm"] / four["gradient_norm"] - 1)
    print(f"relative difference of gradient norms {error:.1e}")  # 1e-7 seen
    assert error < 1e-5
    assert abs(one["loss"] - four["loss"]) < 1e-5


@pytest.mark.slow
def test_eight_devices_train_like_one(tmp_path, arguments):
    losses = []
    for devices in (1, 8):
        workdir = tmp_path / f"d{devices}"
        environment = os.environ | {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
            "JAX_PLATFORMS": "cpu",
        }
        argv = arguments(workdir, "train.steps=6", "train.accumulation=1", "log.every=1")
        subprocess.run([sys.executable, *argv], cwd=ROOT, env=environment, check=True, capture_output=True)
        losses.append([line["loss"] for line in read_lines(workdir / "metrics.jsonl")])
    error = np.abs(np.subtract(*losses)).max()
    print(f"largest difference of losses {error:.1e}")  # 1e-6 seen
    assert error < 1e-4


@pytest.mark.slow
def test_a_pre_norm_rotary_transformer_in_bfloat16_trains_too(tmp_path, run):
    overrides = ("model.name=transformer", "model.norm=pre", "model.positions=rotary", "model.activation=geglu")
    run(
        tmp_path / "run",
        *ONE_STEP,
        *overrides,
        "model.dtype=bfloat16",
        "model.remat=dots",
        "model.scan=True",
        "masking.whole_words=True",
    )
    assert np.isfinite(last(tmp_path / "run", "train")["loss"])


def test_the_best_checkpoint_survives_beside_the_newest(tmp_path, run):
    run(
        tmp_path / "run",
        "train.steps=24",
        "checkpoint.every=4",
        "checkpoint.keep=1",
        "evaluation.every=4",
        "optimizer.learning_rate=0.5",
    )
    scored = {
        line["step"]: line["loss"]
        for line in read_lines(tmp_path / "run" / "metrics.jsonl")
        if line["split"] == "validation"
    }
    best = min(scored, key=scored.get)
    kept = sorted(int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir() if p.name.isdigit())
    assert kept == sorted({best, 24})


def test_bad_input_is_one_sentence_and_status_2_before_any_compile(tmp_path, arguments):
    argv = arguments(tmp_path / "run", "train.stepz=3")
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "train.py: there is no config key 'train.stepz'; did you mean --config.train.steps?\n"
    assert not (tmp_path / "run").exists()


def test_a_pipe_that_nobody_reads_any_more_is_one_sentence(tmp_path, arguments):
    reads, writes = os.pipe()
    os.close(reads)
    argv = arguments(tmp_path / "run", "train.steps=1", "optimizer.warmup_steps=0")
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("train.py: what is printed is read no more (Broken pipe)")
    assert "Traceback" not in done.stderr


REFUSALS = [
    (["model.name=longfromer"], "model.name='longfromer' is not one of .* did you mean 'longformer'"),
    (["mode=eval"], "mode='eval' is not one of train, evaluate, predict"),
    (["model.heads=3"], "width must be a multiple of heads"),
    (["model.windows=(0,)"], r"windows\[0\] must be a whole number of at least 1"),
    (["data.length=64"], "64 tokens .* max_positions 32"),
    (["data.train=nowhere/at/all"], "nowhere/at/all"),
    (["data.source=file"], "data.source='file' is not one of stdlib, files, tfds"),
    (["train.batch_size=0"], "train.batch_size=0 must be at least 1"),
    (["optimizer.learning_rate=-0.1"], "optimizer.learning_rate=-0.1 must be a finite number of at least 0"),
    (["optimizer.beta2=1.0"], "optimizer.beta2=1.0 must be at least 0 and below 1"),
    (["optimizer.epsilon=0"], "optimizer.epsilon=0.0 must be above 0"),
    (["train.batch_size=7"], "train.batch_size=7 must be a multiple of 2"),
    (["optimizer.warmup_steps=12"], "warmup_steps=12 must be at least 0 and less than train.steps=12"),
    (["optimizer.schedule=lineer"], "optimizer.schedule='lineer' is not one of linear"),
    (["masking.rate=1.5"], "masking.rate=1.5 must lie between 0 and 1"),
    (["data.buckets=(8,)"], "data.buckets pads short texts to less; masked_lm packs full rows: leave it empty"),
    (["checkpoint.best=accuracyy"], "checkpoint.best='accuracyy'"),
    (["mesh.data=9999"], "asks for 9999 devices and there are"),
    (["init_from=nowhere"], "init_from=nowhere is no work directory and no published model: it has no config.json"),
    (["mode=evaluate"], "no work directory"),
    (["train.steps=lots"], "train.steps"),
    (["log.every=0"], "log.every=0 must be at least 1"),
    (["prediction.split=dev"], "prediction.split='dev' is not one of train, validation, test"),
    (["prediction.top=0"], "prediction.top=0 must be at least 1"),
    (["prediction.top=9999"], r"prediction.top=9999 is more than the \d+ tokens to choose from"),
    (["prediction.blanks=('no blank',)"], "prediction.blanks: a text to fill in needs 1 to 5 times <mask>"),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSALS, ids=[" ".join(r[0]) for r in REFUSALS])
def test_refuses_with_a_sentence_that_names_the_key(overrides, message, tmp_path, run):
    with pytest.raises(InputError, match=message) as caught:
        run(tmp_path / "run", *overrides)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()  # no step was made


def test_a_finished_run_is_asked_on_devices_that_its_own_batches_do_not_fit():
    config, mesh = defaults.get_config(), make_mesh(ONE_DEVICE)
    config.train.update(batch_size=7, accumulation=2)
    with pytest.raises(InputError, match=r"train\.batch_size=7 must be a multiple of 2"):
        check_settings(config, mesh)
    config.mode = "evaluate"
    check_settings(config, mesh)


@pytest.mark.slow
def test_a_run_that_is_older_than_a_key_goes_on_with_its_default(tmp_path, run):
    run(tmp_path / "run", *ONE_STEP)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["model"]["norm_kind"], config["optimizer"]["ema"]
    path.write_text(json.dumps(config))
    run(tmp_path / "run", *ONE_STEP)
    with pytest.raises(InputError, match=r"holds another run: model.norm_kind was 'layer' and is 'rms'"):
        run(tmp_path / "run", *ONE_STEP, "model.norm_kind=rms")


def test_refuses_a_directory_that_holds_another_run(pretrained, run):
    before = (pretrained / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"holds another run: optimizer.learning_rate was 0.01 and is 0.1"):
        run(pretrained, *PRETRAINING, "optimizer.learning_rate=0.1")
    assert (pretrained / "metrics.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_run_without_a_checkpoint_makes_way_for_a_corrected_config(tmp_path, run):
    with pytest.raises(InputError, match="nowhere"):
        run(tmp_path / "run", *ONE_STEP, "data.validation=nowhere", "tokenizer.vocab_size=300")
    run(tmp_path / "run", *ONE_STEP)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["tokenizer"]["vocab_size"] == 400


def test_refuses_a_file_as_the_work_directory(tmp_path, run):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis.txt cannot be made or written to \(File exists\); choose another"):
        run(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_refuses_a_directory_that_holds_something_else(tmp_path, run):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds no run of this project"):
        run(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_refuses_weights_of_another_model_and_names_the_keys(pretrained, tmp_path, run):
    with pytest.raises(InputError, match=r"model.width is 16 there and 32 here"):
        run(tmp_path / "run", f"init_from={pretrained}", "model.width=32")


def test_refuses_to_evaluate_a_task_that_was_not_trained(pretrained, tmp_path, run):
    with pytest.raises(InputError, match="was trained for another task: it has no head"):
        run(tmp_path / "run", f"init_from={pretrained}", "mode=evaluate", recipe="tiny_classifier.py")


def test_refuses_to_go_on_with_other_training_data(pretrained, tmp_path, run):
    shutil.copytree(pretrained, tmp_path / "run")
    other = tmp_path / "other"
    other.mkdir()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["data"]["train"] = str(other)
    (other / "a.txt").write_text("ban dor. " * 400)
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="training data changed since its checkpoint 600"):
        run(tmp_path / "run", *PRETRAINING, f"data.train={other}")


def test_refuses_a_disk_too_full_for_the_checkpoints(tmp_path, run, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(InputError, match="MB free and 4 checkpoints of this model need"):
        run(tmp_path / "run")


def test_refuses_a_second_process_in_the_same_directory(tmp_path, run):
    from training.run_directory import held

    with held(tmp_path / "run"), pytest.raises(InputError, match="another process is running"):
        run(tmp_path / "run")
