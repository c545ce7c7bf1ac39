"""The work directory of a finished run, as a record reads it."""

import shlex
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.record import Baseline, Device
from training.about import from_best_to_worst
from training.journal import read_lines
from training.restore import stored_scores
from training.run_directory import flatten
from whole_files import read_json

# Keys that may differ between the seeds of one record, or say nothing of the numbers; a prefix stands for its group.
# Fewer than a resumed run may change: how a score was made decides it, as evaluation.batches or mesh.
FREE = (
    "seed", "workdir", "mode", "compilation_cache", "log", "evaluation.split", "data.cache", "data.read_ahead",
    "prediction.split", "prediction.output", "prediction.top", "prediction.prompts", "prediction.document",
    "prediction.blanks",
)  # fmt: skip


class FinishedRun:
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
        self._scored = self._result.get("scored", {})  # by which command, of mode=evaluate; nothing for older results
        self.decisive |= {k: v for k, v in self._scored.get("config", {}).items() if not _is_free(k)}

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
    def scored_by(self) -> str:
        """The command of mode=evaluate, where one made the score."""
        return shlex.join(["python", *self._scored["command"]]) if self._scored else ""

    @property
    def commits(self) -> list[str]:
        """Of every start, and of the scoring: a run that went on at another commit is of both."""
        return [
            self._key(start, "environment.json", "commit")
            + ("+changes" if self._key(start, "environment.json", "dirty") else "")
            for start in (*self._starts, *([self._scored] if self._scored else []))
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

    def refuse_worse(self) -> None:
        """Training ends with the scores of its last step; the number of a run is that of its best checkpoint."""
        place, best = self.directory / "checkpoints", self.config.get("checkpoint", {}).get("best")
        scores = stored_scores(place) if place.is_dir() else {}
        if self._scored or not scores or best is None:
            return
        chosen = from_best_to_worst(scores, best=best)[0]
        if (step := self._result.get("step", chosen)) != chosen:
            raise InputError(
                f"{self.directory}: the scores of {self.split} are of step {step}, and the best checkpoint is of step "
                f"{chosen}; run its command again with --config.mode=evaluate --config.evaluation.split={self.split}"
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


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)
