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
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errors import InputError, told_status
from experiments.finished_run import FinishedRun
from experiments.record import STUDIES, Baseline, Published, Record, write_record
from tabulated import mean_and_deviation
from training.run_directory import completed, flatten


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
    runs = sorted((FinishedRun(Path(directory), metric, split) for directory in workdirs), key=lambda run: run.seed)
    if len({run.decisive.get("init_from") for run in runs}) > 1:  # each seed may start from the run of its own
        for run in runs:
            run.decisive["init_from"] = _without_seed(run.decisive.get("init_from", ""), run.seed)
    first = runs[0]
    for other in runs[1:]:
        _refuse_difference(first, other)
    for run in runs:
        run.refuse_unfinished()
        run.refuse_outdated()
        run.refuse_worse()
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
        scored_by=first.scored_by,
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


def _refuse_difference(first: FinishedRun, other: FinishedRun) -> None:
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
    """The last number that is the seed, made a blank: those before it may be a study's or a stage's."""
    return re.sub(rf"(?<!\d){seed}(?!\d)(?!.*(?<!\d){seed}(?!\d))", "{seed}", place)


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
    return told_status(lambda: _recorded(given, studies))


def _recorded(given: argparse.Namespace, studies: Path) -> int:
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
