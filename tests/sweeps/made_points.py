"""A small sweep over what stands in for train.py, and who runs it, for the tests of running."""

from pathlib import Path

from sweeps import Sweep, grid
from sweeps.running import Runner
from sweeps.state import State
from sweeps.sweep import Point

PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).resolve().parents[2]


def sweep(tmp_path, rates=(0.1, 0.3, 0.5), seeds=(0, 1), **more) -> Sweep:
    settings = grid({"optimizer.learning_rate": rates})
    given = {"recipe": "configs/quickstart.py", "splits": ("validation", "test"), "settings": settings, "seeds": seeds}
    return Sweep(**given | {"directory": str(tmp_path / "sweep")} | more)


def runner(made: Sweep, **more) -> Runner:
    return Runner(State(made.root), program=PROGRAM, tell=lambda line: None, **more)


def starts(point: Point) -> list[int]:
    """The step from which each training of this point went on."""
    return [int(line) for line in (point.workdir / "starts.txt").read_text().split()]
