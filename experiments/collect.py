r"""Makes a record from the work directories of finished runs that differ in nothing but their seed.

    python -m experiments.collect runs/reviews-0 runs/reviews-1 --study=finetuning --name=reviews-longformer \
        --metric=accuracy --split=test [--published=0.95 --source="Beltagy et al. 2020, table 7"] [--notes=...]

Read from each directory: config.json; environment.json; result_SPLIT.json (or result.json of that split), else the last
line of that split in metrics.jsonl; speed.jsonl for the training time. The record is written into the study's folder.
"""

import argparse
import hashlib
import json
import re
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.record import STUDIES, Baseline, Device, Published, Record, write_record
from tabulated import mean_and_deviation
from training.journal import read_lines
from training.run_directory import completed, flatten
from whole_files import read_json

# Keys that may differ between the seeds of one record, or say nothing of the numbers; a prefix stands for its group.
# Fewer than a resumed run may change: how a score was made decides it, as evaluation.batches or mesh.
FREE = (
    "seed", "workdir", "mode", "compilation_cache", "log", "prediction", "evaluation.split", "data.cache",
    "data.read_ahead",
)  # fmt: skip


def collect(
    workdirs: Sequence[Path],
    *,
    study: str,
    name: str,
    metric: str,
    split: str = "test",
    baseline: Baseline | None = None,
    published: Published | None = None,
    notes: str = "",
) -> Record:
    """The record of `metric` on `split` over the runs, one seed each; `baseline` replaces the one in the results.

    Raises:
      InputError: a file, key or score is missing, a run has not come to its end, or the runs differ in more than their
        seed (the keys are named).
    """
    if not workdirs:
        raise InputError("no work directory was given; name one for each seed")
    runs = sorted((_Run(Path(directory), metric, split) for directory in workdirs), key=lambda run: run.seed)
    if len({run.decisive.get("init_from") for run in runs}) > 1:  # each seed may start from the run of its own
        for run in runs:
            run.decisive["init_from"] = _without_seed(run.decisive.get("init_from", ""), run.seed)
    first = runs[0]
    for other in runs[1:]:
        _refuse_difference(first, other)
    for run in runs:
        run.refuse_unfinished()
        run.refuse_outdated()
    values = tuple(run.value for run in runs)
    mean, deviation = mean_and_deviation(values)
    return Record(
        study=study,
        name=name,
        task=first.config["task"],
        model=first.config["model"]["name"],
        metric=metric,
        split=split,
        values=values,
        seeds=tuple(run.seed for run in runs),
        mean=mean,
        deviation=deviation,
        baseline=baseline or Baseline(name=first.baseline.name, value=statistics.fmean(r.baseline.value for r in runs)),
        recipe=first.recipe,
        config_sha256=_digest(first.decisive),
        command=first.command,
        commit=" ".join(dict.fromkeys(commit for run in runs for commit in run.commits)),
        versions=first.versions,
        device=first.device,
        wall_seconds=round(sum(run.wall_seconds for run in runs), 1),
        notes=notes,
        published=published,
    )


def write_collected(workdirs: Sequence[Path], *, name: str, **what: Any) -> None:
    """Writes the record that `collect` makes and prints its file; where it can make none, prints why."""
    try:
        print(write_record(collect(workdirs, name=name, **what)))
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)


class _Run:
    """One work directory; each part is read when it is asked for, so that an override spares what it overrides."""

    def __init__(self, directory: Path, metric: str, split: str):
        self.directory, self.metric, self.split = directory, metric, split
        if not directory.is_dir():
            raise InputError(f"{directory}: no such work directory")
        self.config = self._read("config.json")
        self.decisive = {k: v for k, v in flatten(self.config).items() if not _is_free(k)}
        starts = self._read("environment.json")
        # One entry for each time the run was started; the first one began the training. Once there was no list.
        self._starts = starts if isinstance(starts, list) and starts else [starts]
        self._start = self._starts[0]
        self._result = self._find_result()

    @property
    def seed(self) -> int:
        return self._key(self.config, "config.json", "seed")

    @property
    def value(self) -> float:
        where = f"result_{self.split}.json or metrics.jsonl"
        value = self._key(self._result, where, self.metric)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InputError(f"{self.directory}: {self.metric} of {where} is no score but {value!r}")
        return value

    @property
    def baseline(self) -> Baseline:
        told = self._result.get("baseline") or {}
        value = told.get("value", told.get(self.metric))
        if "name" not in told or value is None:
            raise InputError(
                f"{self.directory}: the result of {self.split} names no baseline for {self.metric}; "
                "evaluate that split with config.mode=evaluate, or give --baseline=NAME:VALUE"
            )
        return Baseline(name=told["name"], value=value)

    @property
    def recipe(self) -> str:
        words = self._key(self._start, "environment.json", "command")
        for at, word in enumerate(words):
            key, equals, rest = word.partition("=")
            if key.lstrip("-") == "config" and key.startswith("-"):
                return rest if equals else words[at + 1]
        raise InputError(f"{self.directory}/environment.json: the command {shlex.join(words)!r} has no --config")

    @property
    def command(self) -> str:
        """The newest: a run of an endless schedule may have been given more steps since it was begun."""
        return shlex.join(["python", *self._key(self._starts[-1], "environment.json", "command")])

    @property
    def commits(self) -> list[str]:
        """Of every start: a run that went on at another commit is of both."""
        return [
            self._key(start, "environment.json", "commit")
            + ("+changes" if self._key(start, "environment.json", "dirty") else "")
            for start in self._starts
        ]

    @property
    def versions(self) -> dict[str, str]:
        return self._key(self._start, "environment.json", "versions")

    @property
    def device(self) -> Device:
        cpu, cores, devices = (self._key(self._start, "environment.json", key) for key in ("cpu", "cores", "devices"))
        return Device(cpu=cpu, cores=cores, devices=tuple(devices))

    @property
    def wall_seconds(self) -> float:
        """Training time: the clock in speed.jsonl begins anew with each start; the last readings are added up."""
        total = last = 0.0
        for line in read_lines(self.directory / "speed.jsonl"):
            if "seconds_to_first_step" in line:  # the first line of a start
                total, last = total + last, line["seconds_to_first_step"]
            last = line.get("seconds", last)
        return total + last or self._key(self._result, "speed.jsonl and the result", "wall_seconds")

    def refuse_unfinished(self) -> None:
        """A directory where another run's weights were scored has no step of its own."""
        wanted = self._key(self._key(self.config, "config.json", "train"), "train of config.json", "steps")
        if self._last_step is not None and self._last_step < wanted:
            raise InputError(
                f"{self.directory}: the run stands at step {self._last_step} of {wanted}; start its command again"
            )

    def refuse_outdated(self) -> None:
        """A score stays in its file when the run is given more steps; older results do not say when they were made."""
        last = self._last_step
        then = self._result.get("trained_steps", last)
        if last is not None and then != last:
            raise InputError(
                f"{self.directory}: {self.split} was scored when the run stood at step {then}, and it stands at {last} "
                f"now; run its command again with --config.mode=evaluate --config.evaluation.split={self.split}"
            )

    @property
    def _last_step(self) -> int | None:
        lines = read_lines(self.directory / "metrics.jsonl")
        return max((line["step"] for line in lines if "step" in line), default=None)

    def _find_result(self) -> dict[str, Any]:
        for name in (f"result_{self.split}.json", "result.json"):
            if (self.directory / name).exists():
                result = self._read(name)
                if result.get("split") == self.split:
                    return result
        lines = [line for line in read_lines(self.directory / "metrics.jsonl") if line.get("split") == self.split]
        if not lines:
            raise InputError(
                f"{self.directory}: holds no score of the {self.split} split; run its command again with "
                f"--config.mode=evaluate --config.evaluation.split={self.split}"
            )
        return lines[-1]

    def _read(self, name: str) -> Any:
        path = self.directory / name
        try:
            return read_json(path)
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; {self.directory} should be the work directory of a run") from error

    def _key(self, holder: dict[str, Any], where: str, key: str) -> Any:
        if key not in holder:
            raise InputError(f"{self.directory}: {where} has no {key!r}; it has {', '.join(sorted(holder))}")
        return holder[key]


def _refuse_difference(first: _Run, other: _Run) -> None:
    if other.seed == first.seed:
        raise InputError(
            f"{first.directory} and {other.directory} have the same seed {first.seed}; give one for each seed"
        )
    defaults = flatten(completed({}))  # what a run did that is older than a key
    one, two = (defaults | run.decisive for run in (first, other))
    differ = [key for key in sorted(one.keys() | two.keys()) if one.get(key) != two.get(key)]
    differ += [key for key in ("versions", "device") if getattr(first, key) != getattr(other, key)]
    if differ:
        raise InputError(
            f"{first.directory} and {other.directory} differ in {', '.join(differ)}; "
            "one record holds runs that differ in nothing but the seed"
        )


def _without_seed(place: str, seed: int) -> str:
    return re.sub(rf"(?<!\d){seed}(?!\d)", "{seed}", place)


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _digest(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _given_baseline(text: str) -> Baseline:
    name, _, value = text.rpartition(":")
    try:
        return Baseline(name=name, value=float(value))
    except ValueError as error:
        raise InputError(f"--baseline={text} should be NAME:VALUE, as in 'majority class:0.5'") from error


def main(arguments: list[str] | None = None, *, studies: Path = STUDIES) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdirs", nargs="+", type=Path, help="work directories, one for each seed")
    for name in ("study", "name", "metric"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--baseline", help="NAME:VALUE, where the results hold none")
    parser.add_argument("--published", type=float, help="somebody else's score in the same unit")
    parser.add_argument("--source", default="", help="where --published stands")
    parser.add_argument("--notes", default="")
    given = parser.parse_args(arguments)
    try:
        if (given.published is None) != (not given.source):
            raise InputError("--published and --source go together: a score without its source cannot be checked")
        published = None if given.published is None else Published(value=given.published, source=given.source)
        record = collect(
            given.workdirs,
            study=given.study,
            name=given.name,
            metric=given.metric,
            split=given.split,
            baseline=_given_baseline(given.baseline) if given.baseline else None,
            published=published,
            notes=given.notes,
        )
        print(write_record(record, studies))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
