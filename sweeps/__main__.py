"""Runs a sweep, or says how it stands. FILE is a sweep file, or FILE.py:ARGUMENT.

python -m sweeps run FILE --at-once=2     what is not done yet, then the table and the plot
python -m sweeps status FILE              each point: done, running, failed and why, stopped, missing
python -m sweeps table FILE               the table and the plot of what is done
python -m sweeps commands FILE            the commands of every point, to run by hand
python -m sweeps slurm FILE > job.sh      an array job; `sbatch job.sh`
python -m sweeps jobset FILE > jobs.yaml  JobSets for TPU slices of GKE, for Kueue; `kubectl apply -f jobs.yaml`
python -m sweeps tpu-vm FILE > run.sh     a script that runs it on a TPU VM or slice
python -m sweeps point FILE NUMBER        one point, which is what those jobs run; of a Search, the next trial
"""

import argparse
import os
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from errors import LASTS, InputError, told_status
from sweeps import jobset, plot, search, slurm, table, tpu_vm
from sweeps.devices import Share, shares
from sweeps.running import Runner
from sweeps.space import Search
from sweeps.state import DONE, FAILED, MISSING, PRUNED, STOPPED, State, curve
from sweeps.sweep import Sweep, load
from training.notice import STATUS


def run(sweep: Sweep, given: argparse.Namespace) -> int:
    parts = shares(given.at_once)
    runner = _runner(sweep)
    if isinstance(sweep.settings, Search):
        search.search(sweep, runner, parts)
    else:
        left = [each for each in sweep.points() if runner.state.of(each) != DONE]
        print(f"{len(left)} of {len(sweep.points())} points to run, {len(parts)} at once, in {sweep.root}")
        runner.side_by_side(left, parts)
    _show_table(sweep)
    counts = Counter(State(sweep.root).of(point) for point in table.points_of(sweep))
    print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    return int(any(state not in (DONE, PRUNED) for state in counts))


def point(sweep: Sweep, given: argparse.Namespace) -> int:
    """One point by its number, as a cluster's job runs it; every process of the job does. Of a search, any trial."""
    if isinstance(sweep.settings, Search):
        if given.distributed:
            raise InputError(SEARCH_ON_ONE)
        end = search.one_trial(sweep, _runner(sweep))
        return STATUS if end == STOPPED else int(end not in (DONE, PRUNED, MISSING))
    points = sweep.points()
    if not 0 <= given.number < len(points):
        raise InputError(f"there is no point {given.number}; the sweep has 0 to {len(points) - 1}")
    more = ["--config.cluster.address=auto"] if given.distributed else []
    runner = _runner(sweep, more=more, leads=not given.distributed or leads(os.environ))
    end = runner.run(points[given.number], Share())
    if end == FAILED and any(each.status == LASTS for each in runner.state.ended(points[given.number])):
        return LASTS
    return STATUS if end == STOPPED else int(end != DONE)


def status(sweep: Sweep, given: argparse.Namespace) -> int:
    state = State(sweep.root)
    for number, each in enumerate(table.points_of(sweep)):
        end = state.of(each)
        why = f": {state.last_words(each)}" if end == FAILED else ""
        steps = curve(each, "train", "loss")
        print(f"{number:>4}  {end:<8} {f'step {steps[-1][0]}' if steps else '':<12} {each.name}{why}")
    return 0


def show_table(sweep: Sweep, given: argparse.Namespace) -> int:
    _show_table(sweep)
    return 0


def commands(sweep: Sweep, given: argparse.Namespace) -> int:
    for each in table.points_of(sweep):
        for command in each.commands:
            print(shlex.join(["python", "train.py", *command]))
    return 0


def launch_file(sweep: Sweep, given: argparse.Namespace) -> int:
    """What a cluster's own tool reads, for the points that are not done."""
    state, searched = State(sweep.root), isinstance(sweep.settings, Search)
    if searched:
        numbers = list(search.trials_left(sweep))  # names of jobs: each runs whatever trial comes next
    else:
        numbers = [number for number, each in enumerate(sweep.points()) if state.of(each) != DONE]
    if not numbers:
        raise InputError(f"every point of {sweep.root} is done; nothing is left to launch")
    text = LAUNCHERS[given.command].text(given, sweep, numbers)
    if searched and "--distributed" in text:
        raise InputError(SEARCH_ON_ONE)
    print(text, end="")
    return 0


def leads(environment: Mapping[str, str]) -> bool:
    """Whether this is the first process of a job, by what the script for TPU VMs, SLURM or Kubernetes tells it."""
    told = [environment[name] for name in RANKS if environment.get(name)]
    if not told:
        raise InputError(f"--distributed: none of {', '.join(RANKS)} is set")
    return told[0] == "0"


def _runner(sweep: Sweep, **more: Any) -> Runner:
    """A runner that Ctrl-C and SIGTERM stop, its runs first."""
    runner = Runner(State(sweep.root), tell=lambda line: print(line, flush=True), **more)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: runner.stop.set())
    return runner


def _show_table(sweep: Sweep) -> None:
    rows = table.rows_of(sweep)
    print("\n" + table.markdown(sweep, rows))
    places = [*table.write(sweep, rows), plot.draw(sweep, rows)]
    print(f"written to {', '.join(str(place) for place in places if place)}")


SEARCH_ON_ONE = (
    "a Search runs each trial on one machine, and here are several; a grid, a list or a sample may have them"
)
RANKS = (tpu_vm.RANK, "SLURM_PROCID", "TPU_WORKER_ID", "JOB_COMPLETION_INDEX")
LAUNCHERS = {"slurm": slurm, "jobset": jobset, "tpu-vm": tpu_vm}
ACTIONS = {"run": run, "status": status, "table": show_table, "commands": commands, "point": point}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sweeps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in (*ACTIONS, *LAUNCHERS):
        each = actions.add_parser(name)
        each.add_argument("file", help="sweep file, or FILE.py:ARGUMENT")
        if name == "run":
            each.add_argument("--at-once", type=int, default=1, help="runs side by side; the devices are shared out")
        if name == "point":
            each.add_argument("number", type=int)
            each.add_argument("--distributed", action="store_true", help="one run over all processes of this job")
        if name in LAUNCHERS:
            LAUNCHERS[name].add_arguments(each)
    given = parser.parse_args(arguments)
    return told_status(lambda: _done(given), who="sweeps: ")


def _done(given: argparse.Namespace) -> int:
    try:
        sweep = load(given.file)
        if given.command in ("run", *LAUNCHERS):  # a cluster's job of one point does not check all others again
            sweep.check()
        end = ACTIONS.get(given.command, launch_file)(sweep, given)
        sys.stdout.flush()
        return end
    except BrokenPipeError:  # whoever reads has enough, as `head` does; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
