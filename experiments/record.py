"""A record: one number of one study with everything needed to believe it and to measure it again."""

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError
from experiments.machine import ROOT
from tabulated import mean_and_deviation
from whole_files import write_text

STUDIES = ROOT / "experiments"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # as a task calls it, such as rougeL
COMMITS = re.compile(r"[0-9a-f]{40}(\+changes)?( [0-9a-f]{40}(\+changes)?)*")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The score of something that ignores its input, such as the majority class or the unigram entropy."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Published:
    """Somebody else's score in the same unit, and where it stands."""

    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Device:
    """`cores` that the processor has; `devices` are JAX's, by kind."""

    cpu: str
    cores: int
    devices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    """`values` are the scores on `split`, one for each of `seeds`; `deviation` is their sample deviation (n - 1).

    `recipe` is the config file with its argument; `config_sha256` is of the resolved config without the keys that
    differ between seeds (see collect.py), as the scores were made. `commit` holds several, with blanks between, if the
    seeds ran at several; "+changes" after one says that files differed from it. `wall_seconds` is the training time of
    all seeds. `scored_by` is the command by which the first seed's scores were made once it was trained; empty where
    they are training's own, or where that command was not kept.
    """

    study: str
    name: str
    task: str
    model: str
    metric: str
    split: str
    values: tuple[float, ...]
    seeds: tuple[int, ...]
    mean: float
    deviation: float | None
    baseline: Baseline
    recipe: str
    config_sha256: str
    command: str
    commit: str
    versions: dict[str, str]
    device: Device
    wall_seconds: float
    scored_by: str = ""
    notes: str = ""
    published: Published | None = None

    def __post_init__(self):
        _refuse_wrong_types(self)
        if not METRIC.fullmatch(self.metric):
            raise InputError(f"metric should be letters, digits and _ . -, got {self.metric!r}")
        for key in ("study", "name", "split"):
            if not NAME.fullmatch(getattr(self, key)):
                raise InputError(f"{key} should be lower-case letters, digits and _ . -, got {getattr(self, key)!r}")
        for key in ("task", "model", "recipe", "command"):
            if not getattr(self, key).strip():
                raise InputError(f"{key} should not be empty")
        if not self.values or len(self.values) != len(self.seeds) or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"values and seeds should pair up, each seed once: got {self.values} and {self.seeds}")
        if not all(map(math.isfinite, (*self.values, self.baseline.value))):
            raise InputError(f"values and baseline should be finite, got {self.values} and {self.baseline.value}")
        if self.published and not (math.isfinite(self.published.value) and self.published.source.strip()):
            raise InputError(f"published should be a finite value and its source, got {self.published}")
        mean, deviation = mean_and_deviation(self.values)
        if not _close(self.mean, mean) or not _close(self.deviation, deviation):
            raise InputError(
                f"mean {self.mean} and deviation {self.deviation} are not those of the values, {mean} and {deviation}"
            )
        if not COMMITS.fullmatch(self.commit):
            raise InputError(f"commit should be a full commit, got {self.commit!r}; run from a git checkout")
        if not SHA256.fullmatch(self.config_sha256):
            raise InputError(f"config_sha256 should be 64 hexadecimal digits, got {self.config_sha256!r}")
        if not {"python", "jax"} <= self.versions.keys():
            raise InputError(f"versions should tell python and jax at least, got {sorted(self.versions)}")
        if self.device.cores < 1 or not self.device.devices or not 0 < self.wall_seconds < math.inf:
            raise InputError("device should have cores and devices, and wall_seconds should be above zero")

    @property
    def filename(self) -> str:
        return f"{self.name}.{self.split}.{self.metric}.json"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"


def _refuse_wrong_types(holder: Any, before: str = "") -> None:
    """Of a record and of what it holds; `before` is what the name of a field stands behind."""
    for field in dataclasses.fields(holder):
        value, name = getattr(holder, field.name), f"{before}{field.name}"
        if not _fits(value, field.type):
            raise InputError(f"{name} should be {field.type}, got {value!r}")
        if dataclasses.is_dataclass(value):
            _refuse_wrong_types(value, f"{name}.")


def _fits(value: Any, kind: Any) -> bool:
    """Whether `value` has the annotated type, for the few kinds of type that a record uses."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float:
        return number
    if kind is int:
        return type(value) is int
    if kind == float | None:
        return value is None or number
    if kind == tuple[float, ...]:
        return isinstance(value, tuple) and all(_fits(each, float) for each in value)
    if kind == tuple[int, ...]:
        return isinstance(value, tuple) and all(type(each) is int for each in value)
    if kind == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    if kind == dict[str, str]:
        return isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair)
    return isinstance(value, kind)


def _close(given: float | None, expected: float | None) -> bool:
    if given is None or expected is None:
        return given is expected
    return math.isclose(given, expected, rel_tol=1e-9, abs_tol=1e-12)


def parse_record(text: str, *, origin: str) -> Record:
    """The record that `text` holds.

    Raises:
      InputError: naming `origin`, for anything that `Record` refuses, an unknown key or a missing one.
    """
    try:
        given = json.loads(text)
        baseline, published, device = given["baseline"], given["published"], given["device"]
        given |= {
            "values": _listed(given["values"]),
            "seeds": _listed(given["seeds"]),
            "baseline": Baseline(**baseline),
            "published": None if published is None else Published(**published),
            "device": Device(**device | {"devices": _listed(device["devices"])}),
        }
        return Record(**given)
    except KeyError as error:
        raise InputError(f"{origin}: has no key {error}") from error
    except (ValueError, TypeError) as error:  # InputError among them
        raise InputError(f"{origin}: {error}") from error


def _listed(value: Any) -> Any:
    """A list as a tuple; anything else as it is, to be refused as that."""
    return tuple(value) if isinstance(value, list) else value


def read_records(studies: Path = STUDIES) -> list[Record]:
    """Every record under `studies`, in the order of study, task, metric, split and name.

    Raises:
      InputError: a record is malformed, or does not lie in its study's folder under its own name.
    """
    records = []
    for path in sorted(studies.glob("*/records/*.json")):
        record = parse_record(path.read_text(encoding="utf-8", errors="replace"), origin=str(path))
        if path != record_path(record, studies):
            raise InputError(f"{path}: holds the record of {record_path(record, studies)}; move it there")
        records.append(record)
    return sorted(records, key=lambda r: (r.study, r.task, r.metric, r.split, r.name))


def record_path(record: Record, studies: Path = STUDIES) -> Path:
    return studies / record.study / "records" / record.filename


def write_record(record: Record, studies: Path = STUDIES) -> Path:
    path = record_path(record, studies)
    write_text(path, record.to_json())
    return path
