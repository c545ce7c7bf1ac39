"""Kills one run again and again, many times while it saves; its end must be that of a run that nobody disturbed.

    python -m experiments.faults.kill --kills=25 --seed=0

The kills (SIGKILL) are spread over the run. Each has a step from which it is due, and then waits for one of three
moments: the next directory in which a checkpoint is being written, plus up to 150 ms; any time in the next half second;
or any time in the first seconds of a process, before or while it restores. After each the same command is started
again. Parameters, optimizer state, key, step, totals, `about` and metrics.jsonl are compared byte for byte.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments import machine
from experiments.faults.runs import PACKAGES, Reader, arguments, differences, finish, start
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "faults" / "results" / "kill.json"
MOMENTS = {"save": 0.6, "any": 0.25, "start": 0.15}  # shares


@dataclass
class Kill:
    moment: str
    due: int  # step
    delay: float  # seconds after the moment
    after_seconds: float = 0.0  # since the process was started
    step: int = 0  # of the last line in metrics.jsonl
    unfinished: tuple[str, ...] = ()  # directories in which a checkpoint was being written
    said: tuple[str, ...] = ()  # what the process had said of checkpoints: nothing, since none is damaged by a kill


def plan(count: int, steps: int, rng: random.Random) -> list[Kill]:
    """In the order of their steps; none in the last tenth, since a run that has ended cannot be killed."""
    moments = rng.choices(list(MOMENTS), weights=MOMENTS.values(), k=count)
    due = sorted(rng.randrange(int(steps * 0.9)) for _ in range(count))
    longest = {"save": 0.15, "any": 0.5, "start": 6.0}
    return [Kill(m, step, round(rng.uniform(0, longest[m]), 4)) for m, step in zip(moments, due, strict=True)]


def carry_out(kill: Kill, process: subprocess.Popen, workdir: Path) -> None:
    """Kills the process at its moment.

    Raises:
      RuntimeError: the run had ended before.
    """
    began, old = time.monotonic(), _inode(workdir / "metrics.jsonl")
    if kill.moment != "start":
        _wait_for_a_line(process, workdir / "metrics.jsonl", old)
        _wait(process, lambda: last_step(workdir) >= kill.due)
    if kill.moment == "save":
        _wait(process, lambda: bool(unfinished(workdir)))
    deadline = time.monotonic() + kill.delay
    _wait(process, lambda: time.monotonic() >= deadline)
    process.kill()
    process.wait()
    kill.after_seconds = round(time.monotonic() - began, 2)
    kill.step = last_step(workdir)
    if kill.moment != "start":  # else they are those of the process before
        kill.unfinished = unfinished(workdir)


def _wait_for_a_line(process: subprocess.Popen, metrics: Path, old: int | None) -> None:
    """Until this process has written one: it begins by putting another file in the place of that of the one before.

    By then what that one left half-written has been removed.
    """
    _wait(process, lambda: _inode(metrics) not in (None, old))
    size = metrics.stat().st_size
    _wait(process, lambda: metrics.stat().st_size > size)


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _wait(process: subprocess.Popen, until) -> None:
    while not until():
        if process.poll() is not None:
            raise RuntimeError(f"train.py ended with status {process.returncode} before it could be killed")
        time.sleep(0.002)


def unfinished(workdir: Path) -> tuple[str, ...]:
    """Orbax writes a checkpoint into a directory of such a name, and renames that when all is written."""
    return tuple(sorted(path.name for path in (workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")))


def last_step(workdir: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        lines = (workdir / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
        return json.loads(lines[-1])["step"] if lines else 0
    return 0


def killed_run(workdir: Path, kills: list[Kill], log: Path, *overrides: str) -> Iterator[Kill]:
    """Starts the same command once for each kill, and then until it ends."""
    argv = arguments(workdir, *overrides)
    for kill in kills:
        before = log.stat().st_size if log.exists() else 0
        carry_out(kill, start(argv, log), workdir)
        said = log.read_bytes()[before:].decode(errors="replace").splitlines()
        kill.said = tuple(line for line in said if line.startswith("checkpoint "))
        yield kill
    finish(argv, log)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    steps = f"train.steps={given.steps}"
    report = machine.provenance("python -m experiments.faults.kill", PACKAGES)
    report |= {"seed": given.seed, "steps": given.steps, "kills": []}
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed, log = (Path(scratch) / name for name in ("whole", "killed", "log"))
        began = time.monotonic()
        finish(arguments(whole, steps), log)
        report["whole_seconds"] = round(time.monotonic() - began, 1)
        for kill in killed_run(killed, plan(given.kills, given.steps, random.Random(given.seed)), log, steps):
            print(kill, flush=True)
            report["kills"].append(asdict(kill))
        report["killed_seconds"] = round(time.monotonic() - began - report["whole_seconds"], 1)
        report["differs"] = list(differences(Reader(arguments(whole, steps), whole), whole, killed))
    write_json(given.out, report)
    inside = sum(bool(kill["unfinished"]) for kill in report["kills"])
    print(f"{given.kills} kills, {inside} inside a save; differs in {report['differs'] or 'nothing'}")
    return int(bool(report["differs"]))


if __name__ == "__main__":
    sys.exit(main())
