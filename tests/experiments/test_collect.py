import pytest
from work_directories import COMMIT, change, finished_run, write_lines

from configs.defaults import get_config
from errors import InputError
from experiments.collect import collect, main
from experiments.finished_run import FREE
from experiments.record import Baseline, Device, read_records
from training.run_directory import FREE_TO_CHANGE, flatten


@pytest.fixture
def runs(tmp_path):
    return [finished_run(tmp_path / f"run-{seed}", seed=seed, accuracy=0.8 + 0.1 * seed) for seed in (1, 0)]


ASKED = {"study": "finetuning", "name": "reviews", "metric": "accuracy"}


def test_the_runs_of_two_seeds_make_a_record(runs):
    record = collect(runs, **ASKED)
    assert record.seeds == (0, 1)
    assert record.values == (0.8, 0.9)
    assert record.mean == pytest.approx(0.85, abs=1e-12)
    assert record.deviation == pytest.approx(0.0707106781, abs=1e-9)
    assert record.baseline == Baseline(name="majority class", value=0.5)
    assert record.recipe == "configs/reviews.py:small,rate=1"
    assert (
        record.command
        == "python train.py --config=configs/reviews.py:small,rate=1 --config.seed=0 --config.train.steps=100"
    )
    assert record.commit == f"{COMMIT} {'f' * 40}"  # of both starts
    assert record.device == Device(cpu="a processor", cores=2, devices=("cpu",))
    assert record.wall_seconds == 2 * (40 + 45)  # both starts of both runs


def test_the_last_line_of_a_split_serves_where_there_is_no_result(runs):
    with pytest.raises(InputError, match="names no baseline for accuracy; evaluate that split"):
        collect(runs, **ASKED, split="validation")
    record = collect(runs, **ASKED, split="validation", baseline=Baseline(name="majority class", value=0.5))
    assert record.values == (0.75, 0.75)


def test_runs_at_two_commits_name_both(runs):
    change(runs[0] / "environment.json", commit="b" * 40, dirty=True)
    assert collect(runs, **ASKED).commit == f"{COMMIT} {'f' * 40} {'b' * 40}+changes"


def test_the_hash_of_the_config_does_not_depend_on_seed_and_place_but_on_the_rest(runs):
    one, other = (collect([run], **ASKED).config_sha256 for run in runs)
    assert one == other
    change(runs[0] / "config.json", train={"steps": 100, "batch_size": 4})
    assert collect(runs[:1], **ASKED).config_sha256 != other


def test_runs_that_differ_in_more_than_the_seed_are_refused(runs):
    change(runs[0] / "config.json", train={"steps": 200})
    change(runs[0] / "environment.json", cores=64)
    with pytest.raises(InputError, match=r"differ in train\.steps, device; one record holds"):
        collect(runs, **ASKED)


def test_a_key_that_is_newer_than_a_run_was_at_its_default(runs):
    change(runs[0] / "config.json", decoding={"num_beams": 1})
    assert collect(runs, **ASKED).seeds == (0, 1)
    change(runs[0] / "config.json", decoding={"num_beams": 4})
    with pytest.raises(InputError, match=r"differ in decoding\.num_beams; one record holds"):
        collect(runs, **ASKED)


def test_each_seed_may_start_from_the_run_of_its_own_seed(runs):
    one_start = collect(runs, **ASKED).config_sha256
    for seed, directory in zip((1, 0), runs, strict=True):
        change(directory / "config.json", init_from=f"runs/read1-0/points/seed={seed}")
    assert collect(runs, **ASKED).config_sha256 != one_start
    for directory in runs:  # or all of them from one, whose seed is that of one of theirs
        change(directory / "config.json", init_from="runs/read-10/seed=0")
    collect(runs, **ASKED)
    change(runs[1] / "config.json", init_from="runs/read-11/seed=0")
    with pytest.raises(InputError, match="differ in init_from"):
        collect(runs, **ASKED)


def test_the_same_seed_twice_is_refused(runs):
    change(runs[0] / "config.json", seed=0)
    with pytest.raises(InputError, match="have the same seed 0"):
        collect(runs, **ASKED)


def test_what_is_missing_is_named(runs, tmp_path):
    with pytest.raises(InputError, match="no such work directory"):
        collect([tmp_path / "nowhere"], **ASKED)
    with pytest.raises(InputError, match="no work directory was given"):
        collect([], **ASKED)
    with pytest.raises(InputError, match="has no 'f1'; it has accuracy, baseline, loss"):
        collect(runs, **ASKED | {"metric": "f1"})
    with pytest.raises(InputError, match="holds no score of the dev split; run its command again with"):
        collect(runs, **ASKED, split="dev")
    write_lines(runs[0] / "speed.jsonl", [])
    (runs[0] / "speed.jsonl").write_text('{"step"', encoding="utf-8")
    with pytest.raises(InputError, match=r"speed\.jsonl:1: is not valid JSON"):
        collect(runs, **ASKED)
    change(runs[0] / "environment.json", cpu=None)
    with pytest.raises(InputError, match=r"environment\.json has no 'cpu'"):
        collect(runs, **ASKED)
    (runs[0] / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        collect(runs, **ASKED)


def test_a_run_that_has_not_come_to_its_end_is_refused(runs):
    lines = [{"step": 50, "split": "validation", "accuracy": 0.1}]
    write_lines(runs[0] / "metrics.jsonl", lines)
    for split in ("test", "validation"):  # there is a result of the test split: of some checkpoint
        with pytest.raises(InputError, match="the run stands at step 50 of 100; start its command again"):
            collect(runs, **ASKED, split=split, baseline=Baseline(name="majority class", value=0.5))
    (runs[0] / "metrics.jsonl").unlink()  # another run's weights were scored here
    assert collect(runs, **ASKED).seeds == (0, 1)


def test_a_score_from_before_the_run_was_given_more_steps_is_refused(runs):
    change(runs[0] / "result_test.json", step=50, trained_steps=100)  # the best checkpoint may be an earlier one
    assert collect(runs, **ASKED).seeds == (0, 1)
    change(runs[0] / "result_test.json", trained_steps=50)
    with pytest.raises(InputError, match=r"test was scored when the run stood at step 50, and it stands at 100 now"):
        collect(runs, **ASKED)


def test_a_record_is_of_the_command_that_scored_it_too(runs):
    before = collect(runs, **ASKED)
    assert before.scored_by == ""
    for directory in runs:
        changed = {"evaluation.batches": 5, "evaluation.split": "test", "mode": "evaluate"}
        command = ["train.py", "--config=configs/reviews.py", "--config.evaluation.batches=5"]
        scored = {"command": command, "commit": "c" * 40, "dirty": False, "config": changed}
        change(directory / "result_test.json", scored=scored)
    record = collect(runs, **ASKED)
    assert record.scored_by == "python train.py --config=configs/reviews.py --config.evaluation.batches=5"
    assert record.commit == f"{before.commit} {'c' * 40}"
    assert record.config_sha256 != before.config_sha256
    change(runs[0] / "result_test.json", scored=scored | {"config": changed | {"evaluation.batches": 6}})
    with pytest.raises(InputError, match=r"differ in evaluation\.batches"):
        collect(runs, **ASKED)


def test_the_scores_of_a_last_step_are_refused_where_another_is_the_best(runs, monkeypatch):
    for directory in runs:
        (directory / "checkpoints").mkdir()
        change(directory / "config.json", checkpoint={"best": "accuracy"})
    scores = {50: {"accuracy": 0.7}, 100: {"accuracy": 0.75}}
    monkeypatch.setattr("experiments.finished_run.stored_scores", lambda place: scores)
    assert collect(runs, **ASKED).seeds == (0, 1)
    scores[50]["accuracy"] = 0.8
    with pytest.raises(InputError, match="the scores of test are of step 100, and the best checkpoint is of step 50"):
        collect(runs, **ASKED)


def test_a_score_that_is_none_is_refused(runs):
    with pytest.raises(InputError, match=r"split of result_test\.json or metrics\.jsonl is no score but 'test'"):
        collect(runs, **ASKED | {"metric": "split"})
    change(runs[0] / "result_test.json", accuracy=float("nan"))
    with pytest.raises(InputError, match="values and baseline should be finite"):
        collect(runs, **ASKED)


def test_the_command_writes_the_record_into_its_study(runs, tmp_path, capsys):
    command = [*map(str, runs), "--study=finetuning", "--name=reviews", "--metric=accuracy"]
    assert main([*command, "--published=0.9"], studies=tmp_path) == 2
    assert "--published and --source go together" in capsys.readouterr().err
    assert main([*command, "--baseline=chance"], studies=tmp_path) == 2
    assert "should be NAME:VALUE" in capsys.readouterr().err
    given = [*command, "--published=0.9", "--source=a paper", "--baseline=always: the first:0.25"]
    assert main(given, studies=tmp_path) == 0
    record = read_records(tmp_path)[0]
    assert record.published.source == "a paper"
    assert record.baseline == Baseline(name="always: the first", value=0.25)
    assert str(tmp_path / "finetuning" / "records" / "reviews.test.accuracy.json") in capsys.readouterr().out


@pytest.mark.parametrize("key", [*FREE, *FREE_TO_CHANGE])
def test_a_key_that_may_differ_is_one_of_the_config(key):
    assert [each for each in flatten(get_config().to_dict()) if each == key or each.startswith(f"{key}.")]
