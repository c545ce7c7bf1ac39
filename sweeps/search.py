"""A space searched by Optuna: each setting is chosen by what the earlier ones gave; hopeless ones are stopped.

What was tried lies in DIRECTORY/optuna.journal. A search that was killed goes on: settings that had not ended are tried
again first, each from its checkpoints.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

from errors import InputError
from sweeps.devices import Share
from sweeps.running import Runner
from sweeps.space import Choice, Integer, LogUniform, Range, Search, Setting, rounded
from sweeps.state import DONE, PRUNED, State, curve, scores
from sweeps.sweep import Point, Sweep

try:
    import optuna
    from optuna.trial import TrialState
except ImportError:
    optuna = None


def search(sweep: Sweep, runner: Runner, shares: Sequence[Share]) -> None:
    """Runs trials until as many have ended as the search asks for.

    Raises:
      InputError: Optuna is not installed.
    """
    study = open_study(sweep)
    _try_again(sweep, study, runner.state)
    asked, lock = 0, threading.Lock()

    def worker(share: Share) -> None:
        nonlocal asked
        while not runner.stop.is_set():
            with lock:
                spent = asked == sweep.settings.trials  # what fails is not tried forever
                if spent or not _left(study, sweep.settings):
                    return
                asked += 1
                trial = study.ask()
            _one(sweep, study, trial, runner, share)

    with ThreadPoolExecutor(len(shares)) as pool:
        workers = [pool.submit(worker, share) for share in shares]
        try:
            for each in workers:
                each.result()
        except BaseException:
            runner.stop.set()
            raise


def settings_tried(sweep: Sweep) -> list[Setting]:
    """In the order in which they were first tried."""
    if optuna is None or not _journal(sweep).exists():
        return []
    tried = [trial.params for trial in open_study(sweep).get_trials(deepcopy=False)]
    whole = [_setting(params, sweep.settings) for params in tried if params.keys() == sweep.settings.space.keys()]
    return [setting for at, setting in enumerate(whole) if setting not in whole[:at]]


def open_study(sweep: Sweep) -> Any:
    if optuna is None:
        raise InputError("a Search needs Optuna: pip install optuna; a grid, a list and a sample do not")
    wanted = sweep.settings
    sweep.root.mkdir(parents=True, exist_ok=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=wanted.warm) if wanted.prune else optuna.pruners.NopPruner()
    backend = optuna.storages.journal.JournalFileBackend(str(_journal(sweep)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="sweep",
        storage=optuna.storages.JournalStorage(backend),
        direction="minimize" if sweep.goal == "min" else "maximize",
        pruner=pruner,
        load_if_exists=True,
    )
    begun = len(study.get_trials(deepcopy=False))  # a search that goes on draws other numbers than it began with
    study.sampler = optuna.samplers.TPESampler(seed=wanted.seed + begun, constant_liar=True)
    return study


def _journal(sweep: Sweep) -> Path:
    return sweep.root / "optuna.journal"


def _left(study: Any, wanted: Search) -> int:
    """How many trials are neither over nor under way, here or in another process."""
    begun = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
    return max(0, wanted.trials - len(begun))


def _try_again(sweep: Sweep, study: Any, state: State) -> None:
    """What was running when the search was killed, and what failed, is asked for once more by the same values."""
    trials = study.get_trials(deepcopy=False)
    well = (TrialState.COMPLETE, TrialState.PRUNED)
    settled = [trial.params for trial in trials if trial.state in well]
    settled += [trial.user_attrs["again"] for trial in trials if trial.state == TrialState.WAITING]
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            if _is_under_way(sweep, trial.params, state):
                continue
            study.tell(trial.number, state=TrialState.FAIL)
        if trial.state in (TrialState.RUNNING, TrialState.FAIL) and trial.params and trial.params not in settled:
            settled.append(trial.params)
            study.enqueue_trial(trial.params, user_attrs={"again": trial.params})


def _is_under_way(sweep: Sweep, params: Mapping[str, Any], state: State) -> bool:
    whole = params.keys() == sweep.settings.space.keys()
    setting = _setting(params, sweep.settings) if whole else {}
    return whole and any(state.is_held(sweep.point(setting, seed)) for seed in sweep.seeds)


def _one(sweep: Sweep, study: Any, trial: Any, runner: Runner, share: Share) -> None:
    for key, values in sweep.settings.space.items():
        _suggest(trial, key, values)
    setting = _setting(trial.params, sweep.settings)
    values = []
    for seed in sweep.seeds:
        point = sweep.point(setting, seed)
        # The first seed alone is stopped early: the others are compared by their mean.
        watch = _Hopeless(point, sweep.metric, trial) if seed == sweep.seeds[0] else None
        end = runner.run(point, share, watch)
        if end == PRUNED:
            study.tell(trial, state=TrialState.PRUNED)
            return
        value = scores(point, sweep.splits[0]).get(sweep.metric)
        if end != DONE or value is None:
            study.tell(trial, state=TrialState.FAIL)
            return
        values.append(value)
    study.tell(trial, fmean(values))


class _Hopeless:
    """Whether a point's new evaluations are worse than the median; what was looked at is not looked at again."""

    def __init__(self, point: Point, metric: str, trial: Any):
        self._point, self._metric, self._trial = point, metric, trial
        self._size, self._reported = 0, 0

    def __call__(self) -> bool:
        lines = self._point.workdir / "metrics.jsonl"
        size = lines.stat().st_size if lines.exists() else 0
        if size == self._size:
            return False
        self._size = size
        new = curve(self._point, "validation", self._metric)[self._reported :]
        for step, value in new:
            self._trial.report(value, step)
        self._reported += len(new)
        return bool(new) and self._trial.should_prune()


def _suggest(trial: Any, key: str, values: Range) -> None:
    if isinstance(values, Choice):
        trial.suggest_categorical(key, list(range(len(values.values))))
    elif isinstance(values, Integer):
        trial.suggest_int(key, values.low, values.high)
    else:
        trial.suggest_float(key, values.low, values.high, log=isinstance(values, LogUniform))


def _setting(params: Mapping[str, Any], wanted: Search) -> Setting:
    """What Optuna calls its parameters, as values of a config: of a Choice it knows the place alone."""

    def value(key: str, values: Range) -> Any:
        if isinstance(values, Choice):
            return values.values[params[key]]
        return params[key] if isinstance(values, Integer) else rounded(params[key])

    return {key: value(key, values) for key, values in wanted.space.items()}
