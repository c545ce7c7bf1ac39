"""A space searched by Optuna: it finds what is good, stops what is not, and survives a kill."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna", reason="a Search needs Optuna")

from errors import InputError  # noqa: E402
from sweeps import Choice, LogUniform, Search, Sweep, Uniform, table  # noqa: E402
from sweeps.devices import Share  # noqa: E402
from sweeps.running import Runner  # noqa: E402
from sweeps.search import one_trial, open_study, search, settings_tried, trials_left  # noqa: E402
from sweeps.state import DONE, FAILED, MISSING, PRUNED, STOPPED, State  # noqa: E402

PROGRAM = Path(__file__).with_name("program.py")


def sweep(tmp_path, space=None, **more) -> Sweep:
    wanted = Search(space=space or {"optimizer.learning_rate": Uniform(0.01, 0.9)}, **{"trials": 6} | more)
    return Sweep(recipe="configs/quickstart.py", settings=wanted, directory=str(tmp_path / "sweep"))


def runner(made: Sweep) -> Runner:
    return Runner(State(made.root), program=PROGRAM, tell=lambda line: None)


def test_as_many_settings_are_tried_as_asked_and_the_best_is_told_first(tmp_path):
    made = sweep(tmp_path, prune=False)
    search(made, runner(made), [Share(), Share()])
    tried = settings_tried(made)
    assert len(tried) == 6
    best = table.rows_of(made)[0].setting["optimizer.learning_rate"]
    assert best == min((setting["optimizer.learning_rate"] for setting in tried), key=lambda rate: abs(rate - 0.3))
    search(made, runner(made), [Share()])
    assert settings_tried(made) == tried  # nothing was left to try


def test_what_is_worse_than_the_median_is_stopped_early(tmp_path):
    made = sweep(tmp_path, trials=8, warm=2)
    search(made, runner(made), [Share()])
    states = [State(made.root).of(made.point(setting, 0)) for setting in settings_tried(made)]
    assert states[:2] == [DONE, DONE]
    assert PRUNED in states
    for setting, state in zip(settings_tried(made), states, strict=True):
        assert made.point(setting, 0).workdir.joinpath("result_validation.json").exists() == (state == DONE)


def test_a_search_that_was_stopped_goes_on_with_what_was_under_way(tmp_path):
    made = sweep(tmp_path, trials=3, prune=False)
    first = runner(made)
    threading.Timer(1.2, first.stop.set).start()
    search(made, first, [Share()])
    begun = settings_tried(made)
    assert 0 < len(begun) <= 3
    search(made, runner(made), [Share()])
    tried = settings_tried(made)
    assert tried[: len(begun)] == begun
    assert len(tried) == 3
    assert {State(made.root).of(made.point(setting, 0)) for setting in tried} == {DONE}


def test_a_trial_whose_process_is_gone_is_tried_again(tmp_path):
    made = sweep(tmp_path, trials=1, prune=False)
    trial = open_study(made).ask()  # as if killed right after
    trial.suggest_float("optimizer.learning_rate", 0.01, 0.9)
    search(made, runner(made), [Share()])
    (setting,) = settings_tried(made)
    assert setting["optimizer.learning_rate"] == pytest.approx(trial.params["optimizer.learning_rate"], rel=5e-3)
    assert State(made.root).of(made.point(setting, 0)) == DONE


def test_trials_of_several_processes_are_different_ones_and_as_many_as_asked(tmp_path):
    made = sweep(tmp_path, trials=4, prune=False)
    with ThreadPoolExecutor(3) as pool:  # each with a study of its own, as other processes have
        ends = list(pool.map(lambda _: one_trial(made, runner(made)), range(6)))
    assert sorted(ends) == [DONE] * 4 + [MISSING] * 2
    assert len(settings_tried(made)) == 4
    assert list(trials_left(made)) == []


def test_a_trial_that_was_told_to_end_is_the_next_one(tmp_path):
    made = sweep(tmp_path, trials=2, prune=False)
    first = runner(made)
    threading.Timer(0.6, first.stop.set).start()
    assert one_trial(made, first) == STOPPED
    begun = settings_tried(made)
    assert (len(begun), trials_left(made)) == (1, range(1, 3))
    assert one_trial(made, runner(made)) == DONE
    assert settings_tried(made) == begun
    assert [one_trial(made, runner(made)) for _ in range(2)] == [DONE, MISSING]


def test_a_trial_that_failed_is_not_the_next_one(tmp_path):
    made = sweep(tmp_path, space={"optimizer.learning_rate": LogUniform(2.0, 9.0)}, trials=2)
    assert [one_trial(made, runner(made)) for _ in range(2)] == [FAILED] * 2
    assert len(settings_tried(made)) == 2
    assert trials_left(made) == range(2, 4)


def test_what_fails_is_not_tried_without_end(tmp_path):
    made = sweep(tmp_path, space={"optimizer.learning_rate": LogUniform(2.0, 9.0)}, trials=3)
    search(made, runner(made), [Share()])
    assert {State(made.root).of(made.point(setting, 0)) for setting in settings_tried(made)} == {FAILED}
    assert len(settings_tried(made)) == 3


def test_a_search_for_a_score_that_runs_do_not_have_ends_with_the_first_of_them(tmp_path):
    made = replace(sweep(tmp_path, trials=3, prune=False), metric="f1")
    with pytest.raises(InputError, match="has no score 'f1' of validation; it has loss"):
        search(made, runner(made), [Share()])
    assert len(settings_tried(made)) == 1


def test_choices_of_any_kind_are_searched(tmp_path):
    space = {"optimizer.learning_rate": Choice((0.1, 0.3)), "model.windows": Choice(((8, 8), (16, 16)))}
    made = sweep(tmp_path, space=space, trials=4, prune=False)
    search(made, runner(made), [Share(), Share()])
    for setting in settings_tried(made):
        assert setting["optimizer.learning_rate"] in (0.1, 0.3)
        assert setting["model.windows"] in ((8, 8), (16, 16))


def test_a_journal_that_a_full_disk_cut_off_is_gone_on_with(tmp_path):
    made = sweep(tmp_path, trials=2, prune=False)
    search(made, runner(made), [Share()])
    tried, journal = settings_tried(made), made.root / "optuna.journal"
    with open(journal, "a") as file:
        file.write('{"op_code": 4, "worker_')
    more = sweep(tmp_path, trials=3, prune=False)
    search(more, runner(more), [Share()])
    assert settings_tried(more)[:2] == tried
    assert len(settings_tried(more)) == 3


def test_trials_of_another_search_are_refused(tmp_path):
    def asked(values=(0.1, 0.3), **more) -> Sweep:
        return replace(sweep(tmp_path, {"optimizer.learning_rate": Choice(values)}, trials=1), **more)

    search(asked(), runner(asked()), [Share()])
    assert settings_tried(replace(asked(), splits=("validation", "test"))) == settings_tried(asked())
    for other, told in (
        (asked(goal="max"), "its trials had goal=min, and now it is max"),
        (asked(metric="accuracy"), "had metric=loss, and now it is accuracy; give the sweep another `directory`"),
        (asked(splits=("train",)), "had split=validation"),
        (asked((0.3, 0.1)), r"had optimizer.learning_rate=\['0.1', '0.3'\], and now"),
        (asked((0.1,)), "had optimizer.learning_rate"),
    ):
        with pytest.raises(InputError, match=told):
            table.rows_of(other)


def test_two_trials_of_one_setting_at_once_end_alike(tmp_path):
    made = sweep(tmp_path, {"optimizer.learning_rate": Choice((0.3,))}, trials=2, prune=False)
    search(made, runner(made), [Share(), Share()])
    states = [trial.state.name for trial in open_study(made).get_trials()]
    assert states == ["COMPLETE", "COMPLETE"]
