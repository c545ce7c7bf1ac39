"""What the training loop adds to its step: batches, journal, progress, and saving in the background.

    python experiments/speed/loop.py --out=experiments/speed/results/loop.json

The quickstart's recipe through train.py, without a checkpoint but the last, with one every hundred steps
(`checkpoint.every` of configs/defaults.py), and with one every twenty, each in a process of its own. In it blocks of a
hundred steps of the loop take turns with blocks of a hundred of the compiled step alone, on one batch again and again
and a state of its own: the two are compared under the same conditions, as often as there are blocks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that the file can be run by its path

from experiments import machine
from experiments.speed.page import TABLES
from whole_files import write_json

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain")
RECIPE = "configs/quickstart.py"
BLOCK = 100  # steps; a save falls into the middle of a block, so that what it does in the background ends there
BEFORE = BLOCK // 2  # steps until the first block: compiling, and the first pages of memory
FORMS = {"the loop": 0, "the loop, saving every 100 steps": 100, "the loop, saving every 20 steps": 20}
ASKED = {"the loop": 0.03, "the loop, saving every 100 steps": 0.05}  # at most; saving: beside the loop


class Turns:
    """The loop's step, which at each end of a block makes room for one of its own."""

    def __init__(self, step: Any):
        self._step, self._calls = step, 0
        self.seconds: dict[str, list[float]] = {"loop": [], "alone": []}  # of each block

    def __call__(self, state: Any, batch: Any) -> Any:
        import jax
        import jax.numpy as jnp

        done = self._calls - BEFORE
        self._calls += 1
        if done >= 0 and done % BLOCK == 0:
            jax.block_until_ready(state)
            if done == 0:
                own, self._batch = jax.tree.map(jnp.copy, (state, batch))
                self._own = jax.block_until_ready(self._step(own, self._batch))
            else:
                self.seconds["loop"].append(time.perf_counter() - self._began)
            began = time.perf_counter()
            for _ in range(BLOCK):
                self._own = self._step(self._own, self._batch)
            jax.block_until_ready(self._own)
            self._began = time.perf_counter()
            if done:
                self.seconds["alone"].append(self._began - began)
        return self._step(state, batch)


def alternate(workdir: Path, blocks: int, save_every: int) -> dict[str, list[float]]:
    """In this process: seconds of each block of the loop, and of the block of steps alone that followed it."""
    import train
    from training import loop

    steps, turns, make = BEFORE + blocks * BLOCK + 1, [], loop.make_train_step

    def make_watched(*given: Any, **how: Any) -> Turns:
        turns.append(Turns(make(*given, **how)))
        return turns[-1]

    loop.make_train_step = make_watched
    chosen = {
        "workdir": workdir,
        "train.steps": steps,
        "evaluation.every": 10 * steps,
        "evaluation.batches": 1,
        "checkpoint.every": save_every or 10 * steps,
        "log.every": 10,
    }
    sys.argv = ["train.py", f"--config={RECIPE}", *(f"--config.{key}={value}" for key, value in chosen.items())]
    train.main(sys.argv)
    return turns[0].seconds


def in_a_process(workdir: Path, blocks: int, save_every: int) -> dict[str, list[float]]:
    words = [sys.executable, __file__, f"--alone={workdir}", f"--blocks={blocks}", f"--save-every={save_every}"]
    done = subprocess.run(words, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--blocks", type=int, default=7, help="of each kind, for each form")
    parser.add_argument("--alone", type=Path, help="measure one form in this process, in this directory")
    parser.add_argument("--save-every", type=int, default=0, help="with --alone: steps between checkpoints; 0 = none")
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(alternate(given.alone, given.blocks, given.save_every)))
        return
    seconds = {}
    with tempfile.TemporaryDirectory() as place:
        for form, every in FORMS.items():
            seconds[form] = in_a_process(Path(place, f"every{every}"), given.blocks, every)
            print(form, seconds[form], file=sys.stderr, flush=True)
    report = machine.provenance("python experiments/speed/loop.py", PACKAGES)
    report |= {"recipe": RECIPE, "block": BLOCK, "seconds": seconds, "asked": ASKED}
    if given.out:
        write_json(given.out, report)
    print(TABLES["loop"](report))


if __name__ == "__main__":
    main()
