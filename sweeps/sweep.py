"""A sweep, its points and their commands; and how a sweep file is read."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from configs import command_line
from configs.described import described
from errors import InputError
from models import MODELS
from models.build import net_sizes
from sweeps.space import Choice, Range, Search, Setting, plain

Command = list[str]  # arguments of train.py
LONGEST_NAME = 120  # bytes; a file system allows 255, and others add their own to it
SPLITS = ("train", "validation", "test")
OURS = {"seed": "`seeds`", "workdir": "`directory`"}  # keys that a sweep gives itself, and by what


@dataclass(frozen=True)
class Point:
    """One setting with one seed: a work directory and the commands that are run in it, in order."""

    setting: Setting
    seed: int
    name: str
    workdir: Path
    commands: tuple[Command, ...]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Many runs of `recipe`, told apart by their settings and seeds.

    `keys` hold for every run. `settings` are dicts of keys in a list, or a `Search`. After its training each point's
    best checkpoint is scored on each of `splits`, and a command is run for each dict of keys in `then`, all in the same
    work directory. `metric` is what the table tells; better is `goal`, "min" or "max". The first split is the one that
    settings are chosen by: a test split among the others is told and decides nothing.
    `{seed}` in a value of text stands for the seed of the point: `init_from="runs/pretrained-{seed}"`.
    """

    recipe: str
    settings: Sequence[Setting] | Search = ({},)
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    splits: tuple[str, ...] = ("validation",)
    then: tuple[Mapping[str, Any], ...] = ()
    metric: str = "loss"
    goal: str = "min"
    directory: str = ""  # "" = runs/sweeps/NAME, by the name of the file

    def __post_init__(self):
        if self.goal not in ("min", "max"):
            raise InputError(f"goal={self.goal!r} of the sweep should be 'min' or 'max'")
        object.__setattr__(self, "seeds", tuple(map(plain, self.seeds)))
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds={self.seeds} of the sweep should be whole numbers, each once")
        if not self.splits or self.splits[0] == "test":
            raise InputError(f"splits={self.splits} of the sweep should begin with the one to choose by, never test")
        if unknown := [split for split in self.splits if split not in SPLITS]:
            raise InputError(f"splits={self.splits} of the sweep should be of {', '.join(SPLITS)}, got {unknown[0]!r}")
        if not isinstance(self.settings, Search):
            object.__setattr__(self, "settings", tuple(self.settings))  # whatever is gone through once, too
            if not self.settings:
                raise InputError("the sweep has no settings")
        self._refuse_ours()
        self._make_plain()

    def _refuse_ours(self) -> None:
        """Every point has its own seed and directory, whatever a setting says: it would be told and not be so."""
        settings = [self.settings.space] if isinstance(self.settings, Search) else self.settings
        for keys in (self.keys, *settings, *self.then):
            if not isinstance(keys, Mapping) or not all(isinstance(key, str) for key in keys):
                raise InputError(f"{keys!r} of the sweep should be a dict from keys of a config to their values")
            if taken := next(filter(OURS.get, keys), None):
                raise InputError(f"{taken!r} is no key for a sweep to set; {OURS[taken]} of the sweep is for that")

    def _make_plain(self) -> None:
        object.__setattr__(self, "keys", {key: plain(value) for key, value in self.keys.items()})
        if not isinstance(self.settings, Search):
            settings = ({key: plain(value) for key, value in setting.items()} for setting in self.settings)
            object.__setattr__(self, "settings", tuple(settings))

    @property
    def root(self) -> Path:
        return Path(self.directory)

    def point(self, setting: Setting, seed: int) -> Point:
        name = ",".join(filter(None, (self._called(setting), f"seed={seed}")))
        workdir = self.root / "points" / name
        shared = {"seed": seed, "workdir": str(workdir)}
        keys = {**self.keys, **{key: value for key, value in setting.items() if key != "recipe"}}
        scoring = ({"mode": "evaluate", "evaluation.split": split} for split in self.splits)
        commands = [
            _command(setting.get("recipe", self.recipe), {**keys, **more, **shared}, seed)
            for more in ({}, *scoring, *self.then)
        ]
        once = tuple(command for at, command in enumerate(commands) if command not in commands[:at])
        return Point(setting, seed, name, workdir, once)

    def _called(self, setting: Setting) -> str:
        """`name_of` the setting, with a digest where another setting would be called the same."""
        name = name_of(setting)
        if isinstance(self.settings, Search):
            choices = [(values, setting[key]) for key, values in self.settings.space.items()]
            alike = any(_alike(values, value) for values, value in choices if isinstance(values, Choice))
        else:
            alike = self._names[name] > 1
        return f"{name}-{_digest(setting)}" if alike else name

    @cached_property
    def _names(self) -> Counter[str]:
        different = {repr(setting): setting for setting in self.settings}
        return Counter(map(name_of, different.values()))

    def points(self) -> list[Point]:
        """Of a grid or a list, the seeds of a setting behind one another. A search has none beforehand."""
        if isinstance(self.settings, Search):
            return []
        return [self.point(setting, seed) for setting in self.settings for seed in self.seeds]

    def check(self) -> None:
        """Reads the config of every command as train.py would, before any of them runs.

        Raises:
          InputError: naming the point, for a misspelt key, a value of the wrong type, sizes that do not fit, or two
            points that would share a directory.
        """
        seen: set[str] = set()
        for point in self.points() or [self.point(setting, self.seeds[0]) for setting in _corners(self.settings)]:
            if point.name in seen:
                raise InputError(f"the sweep has {point.name} twice")
            seen.add(point.name)
            for command in point.commands:
                _check_command(point, command)


def _corners(search: Search) -> Iterator[Setting]:
    """The ends of each range and every value of a choice, none of them twice for the longest: what can be checked."""
    ends = {key: _ends(values) for key, values in search.space.items()}
    for turn in range(max(map(len, ends.values()))):
        yield {key: values[turn % len(values)] for key, values in ends.items()}


def _ends(values: Range) -> tuple[Any, ...]:
    return values.values if isinstance(values, Choice) else (values.low, values.high)


def load(place: str) -> Sweep:
    """The sweep that `FILE.py` or `FILE.py:ARGUMENT` describes; its commands are not checked yet.

    Raises:
      InputError: there is no such file, it fails (with the line), or it describes no sweep.
    """
    sweep = described(place, function="get_sweep", what="sweep")
    if not isinstance(sweep, Sweep):
        raise InputError(f"get_sweep of {place} should return a Sweep, got {type(sweep).__name__}")
    if sweep.directory:
        return sweep
    path, _, argument = place.partition(":")
    stem = "-".join(filter(None, (Path(path).stem, _plain(argument))))
    return replace(sweep, directory=str(Path("runs/sweeps") / stem))


def name_of(setting: Setting) -> str:
    """`learning_rate=0.001,depth=4`: what a directory is called; a long one is cut and told apart by a digest."""
    name = ",".join(f"{key.rpartition('.')[2]}={_plain(value)}" for key, value in setting.items())
    if len(whole := name.encode()) <= LONGEST_NAME:
        return name
    return f"{whole[: LONGEST_NAME - 9].decode(errors='ignore')}-{_digest(setting)}"


def _digest(setting: Setting) -> str:
    return hashlib.sha256(repr(sorted(setting.items())).encode()).hexdigest()[:8]


def _plain(value: Any) -> str:
    """As text that every file system and shell takes as it is."""
    text = re.sub(r"[^\w.+-]+", "-", str(value))
    return text if isinstance(value, int | float) else text.strip("-")  # a number's sign stays


def cloud_name(text: str, *, longest: int) -> str:
    """As Kubernetes and Google's machines are called: lower-case letters, digits and -, a letter first (RFC 1035)."""
    plain = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    name = plain if plain[:1].isalpha() else f"sweep-{plain}"
    if plain and len(name) <= longest:
        return name
    return f"{name[: longest - 9].strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _alike(values: Choice, value: Any) -> bool:
    """Whether another of the values looks the same in a name."""
    return any(_plain(other) == _plain(value) and repr(other) != repr(value) for other in values.values)


def _command(recipe: str, keys: Mapping[str, Any], seed: int) -> Command:
    def told(value: Any) -> str:
        return value.replace("{seed}", str(seed)) if isinstance(value, str) else repr(value)

    return [f"--config={recipe}", *(f"--config.{key}={told(value)}" for key, value in keys.items())]


def _check_command(point: Point, command: Command) -> None:
    try:
        config = command_line.parse(["train.py", *command])
        if config.model.name in MODELS and not config.model.from_init:
            rows = config.model.vocab_size or config.tokenizer.vocab_size
            net_sizes({**config.model, "vocab_size": rows}, MODELS[config.model.name][0])
    except InputError as error:
        raise InputError(f"{point.name}: {error}") from error
