"""A made-up language in small files, and train.py called in this process on a net that compiles in seconds."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in "nrslm"]


def sentence(rng: np.random.Generator) -> str:
    """Words in pairs that always go together: something for a masked language model to learn."""
    first = rng.integers(0, len(WORDS) // 4, rng.integers(3, 8))
    return " ".join(f"{WORDS[i]} {WORDS[-1 - i]}" for i in first) + "."


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for split, documents in (("train", 24), ("validation", 4)):
        (folder / split).mkdir()
        for number in range(documents):
            text = "\n".join(sentence(rng) for _ in range(30))
            (folder / split / f"{number:02}.txt").write_text(text)
    for split, count in (("train", 48), ("validation", 12), ("test", 8)):
        lines = []
        for number in range(count):
            text = ["bad", "good"][number % 2] + " " + " ".join(sentence(rng) for _ in range(3))
            lines.append(json.dumps({"text": text, "label": ["bad", "good"][number % 2]}))
        (folder / f"labelled_{split}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "blanks.jsonl").write_text(json.dumps({"text": "ban <mask> dor."}) + "\n")
    return folder


@pytest.fixture(scope="session")
def arguments(corpus):
    """`arguments(workdir, "train.steps=4", recipe=...)`: the command line of a tiny run."""

    def make(workdir: Path, *overrides: str, recipe: str = "tiny_recipe.py") -> list[str]:
        recipe_path = Path(__file__).with_name(recipe)
        flags = [f"workdir={workdir}", *overrides]
        return ["train.py", f"--config={recipe_path}:{corpus}", *(f"--config.{flag}" for flag in flags)]

    return make


@pytest.fixture(scope="session")
def run(arguments):
    """Runs train.py's main in this process."""
    import train

    def start(workdir: Path, *overrides: str, recipe: str = "tiny_recipe.py") -> None:
        argv = arguments(workdir, *overrides, recipe=recipe)
        before, sys.argv = sys.argv, argv
        try:
            train.main(argv)
        finally:
            sys.argv = before

    return start


@pytest.fixture
def talk(run, monkeypatch, capsys):
    """`talk(workdir, "a line", "another", settings=..., recipe=...)`: the lines of standard output and of errors."""

    def start(workdir: Path, *typed: str, settings: Sequence[str] = (), recipe: str = "tiny_recipe.py"):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        capsys.readouterr()
        run(workdir, *settings, "mode=talk", recipe=recipe)
        told = capsys.readouterr()
        return told.out.splitlines(), told.err.splitlines()

    return start


@pytest.fixture(scope="session")
def eight_devices(tmp_path_factory) -> tuple[dict, Path]:
    """What eight_devices.py printed, and the checkpoints that it left."""
    directory = tmp_path_factory.mktemp("eight") / "checkpoints"
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.training.eight_devices", str(directory)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), directory


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
