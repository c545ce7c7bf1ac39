"""An array job for SLURM: one element for each point that is not done."""

import argparse
import shlex
from collections.abc import Sequence

from errors import InputError
from sweeps.sweep import Sweep
from training.notice import STATUS

SECONDS_TO_SAVE = 120  # between SLURM's SIGTERM and the end of the job's time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at-once", type=int, default=0, help="elements that run at the same time; 0 = as SLURM will")
    parser.add_argument("--nodes", type=int, default=1, help="machines of one point")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of each machine; 0 = none")
    parser.add_argument("--cpus", type=int, default=8, help="processor cores of each machine")
    parser.add_argument("--time", default="24:00:00", help="longest time of one point; it goes on in another such job")
    parser.add_argument("--partition", default="", help="partition; empty = the default one")
    parser.add_argument("--setup", default="", help="a line of shell before the run, such as '. venv/bin/activate'")


def text(given: argparse.Namespace, sweep: Sweep, numbers: Sequence[int]) -> str:
    """The script that sbatch takes. A job that runs out of time is queued again, and goes on from its checkpoint.

    Raises:
      InputError: a number of machines, cores, GPUs or elements is none.
    """
    for name, least in (("at_once", 0), ("nodes", 1), ("gpus", 0), ("cpus", 1)):
        if getattr(given, name) < least:
            raise InputError(f"--{name.replace('_', '-')}={getattr(given, name)} should be at least {least}")
    together = f"%{given.at_once}" if given.at_once else ""
    distributed = ["--distributed"] if given.nodes > 1 else []
    command = shlex.join(["python", "-m", "sweeps", "point", given.file])
    logs = sweep.root / "logs"
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={shlex.quote(sweep.root.name)}",
        f"#SBATCH --array={ranges(numbers)}{together}",
        f"#SBATCH --nodes={given.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --cpus-per-task={given.cpus}",
        *([f"#SBATCH --gpus-per-node={given.gpus}"] if given.gpus else []),
        *([f"#SBATCH --partition={shlex.quote(given.partition)}"] if given.partition else []),
        f"#SBATCH --time={given.time}",
        f"#SBATCH --signal=TERM@{SECONDS_TO_SAVE}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={shlex.quote(str(logs).replace('%', '%%') + '/slurm-%a.txt')}",
        "# Submit it from the checkout, which every machine sees, as it sees the work directories:",
        f"#   mkdir -p {shlex.quote(str(logs))} && sbatch THIS_FILE",
        *([given.setup] if given.setup else []),
        "set -u",
        # srun has not taken the number of cores over from sbatch since SLURM 22.05.
        f'srun --cpus-per-task={given.cpus} {command} "$SLURM_ARRAY_TASK_ID" {shlex.join(distributed)}'.rstrip(),
        "status=$?",
        f'if [ "$status" -eq {STATUS} ]; then  # its time is over, and it has saved: queue it again',
        '    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"',
        "    exit 0",
        "fi",
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def ranges(numbers: Sequence[int]) -> str:
    """`0-3,7` of 0, 1, 2, 3, 7, which must be in order."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
