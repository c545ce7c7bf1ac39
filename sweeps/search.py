"""A space searched by Optuna: each setting is chosen by what the earlier ones gave; hopeless ones are stopped.

What was tried lies in DIRECTORY/optuna.journal, which several processes may share, on one machine or on many. A search
that was killed goes on: settings that had not ended are tried again first, each from its checkpoints.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from errors import InputError
from sweeps.devices import Share
from sweeps.running import POLL_SECONDS, Runner
from sweeps.space import Choice, Integer, LogUniform, Range, Search, Setting, rounded
from sweeps.state import DONE, FAILED, MISSING, PRUNED, RUNNING, STOPPED, curve, held, is_held, score
from sweeps.sweep import Point, Sweep

try:
    import optuna
    from optuna.trial import TrialState

    OVER = (TrialState.COMPLETE, TrialState.PRUNED)
except ImportError:
    optuna = None


def search(sweep: Sweep, runner: Runner, shares: Sequence[Share]) -> None:
    """Runs trials until as many have ended as the search asks for.

    Raises:
      InputError: Optuna is not installed.
    """
    study = open_study(sweep)
    with _choosing(sweep):
        _try_again(sweep, study, also_failed=True)
    asked, lock = 0, threading.Lock()

    def worker(share: Share) -> None:
        nonlocal asked
        while not runner.stop.is_set():
            with lock:
                if asked == sweep.settings.trials:  # what fails is not tried forever
                    return
                asked += 1
            if _one(sweep, study, runner, share) == MISSING:
                return

    with ThreadPoolExecutor(len(shares)) as pool:
        workers = [pool.submit(worker, share) for share in shares]
        try:
            for each in workers:
                each.result()
        except BaseException:
            runner.stop.set()
            raise


def one_trial(sweep: Sweep, runner: Runner) -> str:
    """One of the trials, beside others in other processes; MISSING: none is left. One that was stopped comes first."""
    study = open_study(sweep)
    with _choosing(sweep):
        _try_again(sweep, study, also_failed=False)
    return _one(sweep, study, runner, Share())


def trials_left(sweep: Sweep) -> range:
    """A number for each that has not ended well, those that run included; none that an earlier launch gave."""
    trials = open_study(sweep).get_trials(deepcopy=False)
    over = sum(trial.state in OVER for trial in trials)
    return range(len(trials), len(trials) + max(0, sweep.settings.trials - over))


def settings_tried(sweep: Sweep) -> list[Setting]:
    """In the order in which they were first tried."""
    if optuna is None or not _journal(sweep).exists():
        return []
    tried = [trial.params for trial in open_study(sweep).get_trials(deepcopy=False)]
    whole = [_setting(params, sweep.settings) for params in tried if params.keys() == sweep.settings.space.keys()]
    return [setting for at, setting in enumerate(whole) if setting not in whole[:at]]


def open_study(sweep: Sweep) -> Any:
    """The trials so far, with the means to choose the next.

    Raises:
      InputError: Optuna is not installed, or the trials are of a search for something else.
    """
    if optuna is None:
        raise InputError("a Search needs Optuna: pip install optuna; a grid, a list and a sample do not")
    wanted = sweep.settings
    sweep.root.mkdir(parents=True, exist_ok=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=wanted.warm) if wanted.prune else optuna.pruners.NopPruner()
    _drop_what_was_cut_off(_journal(sweep))
    backend = optuna.storages.journal.JournalFileBackend(str(_journal(sweep)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="sweep",
        storage=optuna.storages.JournalStorage(backend),
        direction="minimize" if sweep.goal == "min" else "maximize",
        pruner=pruner,
        load_if_exists=True,
    )
    _refuse_other_search(sweep, study)
    return study


def _drop_what_was_cut_off(journal: Path) -> None:
    """A last line without its end, as a full disk leaves it: with the next one behind it Optuna could read neither."""
    if not journal.exists() or _whole(journal.read_bytes()) == journal.stat().st_size:
        return
    lock = optuna.storages.journal.JournalFileSymlinkLock(str(journal))
    lock.acquire()  # perhaps it is being written just now
    try:
        with open(journal, "r+b") as file:
            file.truncate(_whole(file.read()))
    finally:
        lock.release()


def _whole(lines: bytes) -> int:
    """Bytes up to the end of the last line that has one."""
    return lines.rfind(b"\n") + 1


def _refuse_other_search(sweep: Sweep, study: Any) -> None:
    """Trials that were told another score would be compared with it, and places of other choices taken for these."""
    choices = {k: list(map(repr, v.values)) for k, v in sweep.settings.space.items() if isinstance(v, Choice)}
    now = {"goal": sweep.goal, "metric": sweep.metric, "split": sweep.splits[0], **choices}
    first = {"goal": {1: "min", 2: "max"}[study.direction.value]} | study.user_attrs.get("asked", {})
    for key in first.keys() & now.keys():
        if first[key] != now[key]:
            raise InputError(
                f"{_journal(sweep)}: its trials had {key}={first[key]}, and now it is {now[key]}; "
                "give the sweep another `directory`"
            )
    if now.keys() - study.user_attrs.get("asked", {}).keys():
        study.set_user_attr("asked", first | now)


def _journal(sweep: Sweep) -> Path:
    return sweep.root / "optuna.journal"


def _choosing(sweep: Sweep) -> contextlib.AbstractContextManager[bool]:
    """While one process chooses a trial, no other does."""
    return held(sweep.root / "optuna.lock", wait=True)


def _lock(sweep: Sweep, number: int) -> Path:
    """Held while a process runs that trial."""
    return sweep.root / "state" / f"trial-{number}.lock"


def _left(study: Any, wanted: Search) -> int:
    """How many trials are neither over nor under way, here or in another process."""
    return max(0, wanted.trials - len(study.get_trials(deepcopy=False, states=(*OVER, TrialState.RUNNING))))


def _try_again(sweep: Sweep, study: Any, *, also_failed: bool) -> None:
    """What was running when its process was killed or told to end is asked for once more by the same values."""
    trials = study.get_trials(deepcopy=False)
    settled = [trial.params for trial in trials if trial.state in OVER]
    settled += [trial.user_attrs["again"] for trial in trials if trial.state == TrialState.WAITING]
    for trial in trials:
        if gone := trial.state == TrialState.RUNNING and not is_held(_lock(sweep, trial.number)):
            study.tell(trial.number, state=TrialState.FAIL)
        failed = trial.state == TrialState.FAIL and also_failed
        if (gone or failed) and trial.params and trial.params not in settled:
            settled.append(trial.params)
            study.enqueue_trial(trial.params, user_attrs={"again": trial.params})


def _one(sweep: Sweep, study: Any, runner: Runner, share: Share) -> str:
    """How a trial that nobody has begun ended; MISSING where there is none."""
    with contextlib.ExitStack() as ours:
        with _choosing(sweep):
            if not _left(study, sweep.settings):
                return MISSING
            begun = len(study.get_trials(deepcopy=False))  # each draws its own numbers, whichever process asks
            (seed,) = np.random.SeedSequence((sweep.settings.seed, begun)).generate_state(1)
            study.sampler = optuna.samplers.TPESampler(seed=int(seed), constant_liar=True)
            trial = study.ask()
            ours.enter_context(held(_lock(sweep, trial.number)))
            for key, values in sweep.settings.space.items():
                _suggest(trial, key, values)
        return _run(sweep, study, trial, runner, share)


def _run(sweep: Sweep, study: Any, trial: Any, runner: Runner, share: Share) -> str:
    setting = _setting(trial.params, sweep.settings)
    values = []
    for seed in sweep.seeds:
        point = sweep.point(setting, seed)
        # The first seed alone is stopped early: the others are compared by their mean.
        watch = _Hopeless(point, sweep.metric, trial) if seed == sweep.seeds[0] else None
        end = runner.run(point, share, watch)
        while end == RUNNING:  # another trial has the same setting; this one ends as it does
            while runner.state.is_held(point) and not runner.stop.wait(POLL_SECONDS):
                pass
            end = runner.run(point, share, watch) if not runner.stop.is_set() else STOPPED
        if end == STOPPED:
            return end  # and goes on when the search does
        if end != DONE:
            study.tell(trial, state=TrialState.PRUNED if end == PRUNED else TrialState.FAIL)
            return end if end == PRUNED else FAILED
        try:
            values.append(score(point, sweep.splits[0], sweep.metric))
        except InputError:  # no other trial would have one
            study.tell(trial, state=TrialState.FAIL)
            raise
    study.tell(trial, fmean(values))
    return DONE


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
