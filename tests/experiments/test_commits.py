"""Every number is told with the commit that gave it: one that a reader can check out."""

import json
import shutil
import subprocess

import pytest

from experiments.machine import ROOT


def git(*words: str) -> list[str]:
    found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.split() if found.returncode == 0 else []


def told() -> dict[str, set[str]]:
    """The commits of each file of measurements."""
    files = [*ROOT.glob("experiments/*/records/*.json"), *ROOT.glob("experiments/*/results/*.json")]
    given = {str(path.relative_to(ROOT)): json.loads(path.read_text(encoding="utf-8")) for path in files}
    commits = {
        name: values["commit"].replace("+changes", "").split() for name, values in given.items() if "commit" in values
    }
    return {name: set(each) for name, each in commits.items()}


def test_every_commit_that_is_told_is_in_the_history():
    if shutil.which("git") is None or git("rev-parse", "--is-shallow-repository") != ["false"]:
        pytest.skip("needs the whole history: this is no git checkout, or a shallow one")
    known, found = {*git("rev-list", "HEAD")}, told()
    assert len(found) > 100
    missing = {name: commits - known for name, commits in found.items() if commits - known}
    assert not missing, "measure again at a commit that stays"
