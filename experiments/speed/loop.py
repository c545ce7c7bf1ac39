"""What the training loop adds to its step: batches, journal, progress, and saving in the background.

    python experiments/speed/loop.py --out=experiments/speed/results/loop.json

The quickstart's recipe. In each round, each in a process of its own: the compiled step alone, on one batch again and
again; train.py without a checkpoint but the last; train.py with one every hundred steps (`checkpoint.every` of
configs/defaults.py) and every twenty. Seconds a step of train.py are those from its first line of speed.jsonl to the
last, with all that happened in between, but not the compiling.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.page import TABLES

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain")
RECIPE = "configs/quickstart.py"
BARE, PLAIN = "the step alone", "the loop"
SAVING = {every: f"the loop, saving every {every} steps" for every in (100, 20)}
ASKED = {PLAIN: 0.03, SAVING[100]: 0.05}  # at most, of what it is beside


def flags(workdir: Path, steps: int, save_every: int) -> list[str]:
    chosen = {
        "workdir": workdir,
        "train.steps": steps,
        "evaluation.every": 10 * steps,
        "evaluation.batches": 1,
        "checkpoint.every": save_every,
        "log.every": 10,
    }
    return [f"--config={RECIPE}", *(f"--config.{key}={value}" for key, value in chosen.items())]


def bare(workdir: Path, steps: int) -> float:
    """In this process: seconds of a step on one batch, the state handed from one to the next."""
    import jax

    import train
    from configs import command_line
    from training import loop, process
    from training.guard import make_watch
    from training.mesh import make_mesh, put_batch
    from training.optimizer import make_optimizer, make_schedule
    from training.step import make_train_step

    config = command_line.parse(["train.py", *flags(workdir, steps, steps)])
    process.prepare(config)
    mesh = make_mesh(config.mesh)
    with jax.set_mesh(mesh):
        run = train.build(config, workdir, mesh, None)
        optimizer = make_optimizer(config.optimizer, make_schedule(config.optimizer, steps=steps))
        state = jax.jit(loop.starter(run, optimizer))(jax.random.key(0), {})
        how = {"mesh": mesh, "log_every": config.log.every, "watch": make_watch(config)}
        step = make_train_step(run.task, run.skeleton, optimizer, **how)
        columns = {name: array for name, array in run.task.train_batch(0).items() if name in run.task.columns}
        batch = put_batch(columns, mesh, accumulation=config.train.accumulation)
        state = jax.block_until_ready(step(state, batch))
        began = time.perf_counter()
        for _ in range(steps):
            state = step(state, batch)
        jax.block_until_ready(state)
        return (time.perf_counter() - began) / steps


def looped(workdir: Path, steps: int, save_every: int) -> float:
    """Seconds of a step of train.py, from the first line of its journal to the last."""
    command = [sys.executable, "train.py", *flags(workdir, steps, save_every)]
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    lines = [json.loads(line) for line in (workdir / "speed.jsonl").read_text(encoding="utf-8").splitlines()]
    told = [line for line in lines if "step_seconds" in line][:-1]  # the last comes after the evaluation at the end
    return (told[-1]["seconds"] - told[0]["seconds"]) / (told[-1]["step"] - told[0]["step"])


def in_a_process(workdir: Path, steps: int) -> float:
    words = [sys.executable, __file__, f"--alone={workdir}", f"--steps={steps}"]
    done = subprocess.run(words, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=210)
    parser.add_argument("--alone", type=Path, help="measure the step alone in this process, in this directory")
    given = parser.parse_args()
    if given.alone:
        print(bare(given.alone, given.steps))
        return
    seconds: dict[str, list[float]] = {form: [] for form in (BARE, PLAIN, *SAVING.values())}
    with tempfile.TemporaryDirectory() as place:
        for number in range(given.rounds):
            seconds[BARE].append(in_a_process(Path(place, f"bare{number}"), given.steps))
            seconds[PLAIN].append(looped(Path(place, f"plain{number}"), given.steps, given.steps))
            for every, form in SAVING.items():
                seconds[form].append(looped(Path(place, f"saving{every}.{number}"), given.steps, every))
            print({name: round(values[-1], 4) for name, values in seconds.items()}, file=sys.stderr, flush=True)
    report = machine.provenance("python experiments/speed/loop.py", PACKAGES)
    report |= {"recipe": RECIPE, "steps": given.steps, "seconds": seconds, "asked": ASKED}
    if given.out:
        machine.write_results(given.out, report)
    print(TABLES["loop"](report))


if __name__ == "__main__":
    main()
