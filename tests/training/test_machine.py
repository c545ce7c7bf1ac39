import subprocess

from experiments import machine
from training import machine as made_on


def git(*words: str) -> str:
    told = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(told, cwd=made_on.ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_a_changed_file_makes_a_checkout_another_and_a_new_one_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(made_on, "ROOT", tmp_path)
    assert (made_on.checkout(), machine.commit()) == (("unknown", True), "unknown")
    (tmp_path / "a.py").write_text("a = 1")
    git("init")
    git("add", "a.py")
    git("commit", "-m", "a")
    (tmp_path / "notes.txt").touch()
    head = git("rev-parse", "HEAD")
    assert (made_on.checkout(), machine.commit()) == ((head, False), head)
    (tmp_path / "a.py").write_text("a = 2")
    assert (made_on.checkout(), machine.commit()) == ((head, True), f"{head}+changes")
