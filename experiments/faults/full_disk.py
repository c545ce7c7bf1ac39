"""Fills the disk while a run saves: it must end with one sentence, lose no checkpoint, and go on once there is space.

    python -m experiments.faults.full_disk --times=5 --seed=0

The work directory lies on a disk of its own in memory, mounted where only this process sees it (Linux with user
namespaces, and `unshare` of util-linux). Each time, once some checkpoint is there, a file takes all but a random rest,
less than a checkpoint needs, and whatever is freed after that; the run ends; the newest checkpoint is read back; the
file is deleted and the same command started again. The end must equal that of a run that nobody disturbed, byte for
byte.
"""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.faults.runs import PACKAGES, Reader, arguments, differences, finish, start
from training.restore import stored_steps
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "faults" / "results" / "full_disk.json"
INSIDE = "FAULTS_INSIDE_NAMESPACE"
SETTINGS = ("train.steps=300", "checkpoint.every=10", "checkpoint.keep=2")
SENTENCE = "train.py: the disk is full ("


def filled_up(workdir: Path, log: Path, *, least: int, rest: int) -> dict[str, Any]:
    """Starts the run, leaves `rest` bytes once a checkpoint after step `least` is there, and says how it ended."""
    before = log.stat().st_size if log.exists() else 0
    process, ballast = start(arguments(workdir, *SETTINGS), log), workdir.parent / "ballast"
    while process.poll() is None and not any(step > least for step in stored_steps(workdir / "checkpoints")):
        time.sleep(0.01)
    with open(ballast, "wb") as file:
        while process.poll() is None:  # again and again: the run deletes old checkpoints, which would give it space
            taken, more = file.seek(0, os.SEEK_END), shutil.disk_usage(workdir).free - rest
            with contextlib.suppress(OSError):  # the run was quicker
                os.posix_fallocate(file.fileno(), taken, max(1, more))
            time.sleep(0.01)
    status = process.wait()
    ballast.unlink()
    said = log.read_bytes()[before:].decode(errors="replace").splitlines()
    return {
        "rest": rest,
        "status": status,
        "sentences": sum(line.startswith(SENTENCE) for line in said),
        "tracebacks": sum("Traceback" in line for line in said),
        "kept": stored_steps(workdir / "checkpoints"),
    }


def measure(times: int, seed: int, scratch: Path) -> dict[str, Any]:
    rng, log = random.Random(seed), scratch / "log"
    whole, filled = scratch / "whole", scratch / "disk" / "run"
    finish(arguments(whole, *SETTINGS), log)
    newest = whole / "checkpoints" / str(stored_steps(whole / "checkpoints")[0])
    size = sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
    filled.parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={12 * size}", "tmpfs", filled.parent], check=True)
    reader = Reader(arguments(whole, *SETTINGS), whole)
    report: dict[str, Any] = {"checkpoint_bytes": size, "times": []}
    least = 0
    for _ in range(times):
        ended = filled_up(filled, log, least=least, rest=rng.randrange(size))
        _, least = reader.resumed(filled / "checkpoints")
        report["times"].append(ended | {"restored": least})
        print(report["times"][-1], flush=True)
    finish(arguments(filled, *SETTINGS), log)
    return report | {"differs": list(differences(reader, whole, filled))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if INSIDE not in os.environ:
        namespace = ["unshare", "--user", "--map-root-user", "--mount"]
        command = [*namespace, sys.executable, "-m", "experiments.faults.full_disk", *sys.argv[1:]]
        return subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode
    report = machine.provenance("python -m experiments.faults.full_disk", PACKAGES) | {"seed": given.seed}
    with tempfile.TemporaryDirectory() as scratch:
        report |= measure(given.times, given.seed, Path(scratch))
        subprocess.run(["umount", Path(scratch) / "disk"], check=True)
    write_json(given.out, report)
    as_told = [
        (end["status"], end["sentences"], end["tracebacks"], end["restored"]) == (2, 1, 0, end["kept"][0])
        for end in report["times"]
    ]
    print(f"{sum(as_told)} of {given.times} as they should; differs in {report['differs'] or 'nothing'}")
    return int(not all(as_told) or bool(report["differs"]))


if __name__ == "__main__":
    sys.exit(main())
