"""What a person watches beside the numbers of the curve: a trace of some steps, and where the time went."""

import gzip
import json

import pytest

from errors import InputError
from training.goodput import Goodput, goodput


def test_chosen_steps_are_traced(tmp_path, run):
    run(tmp_path / "run", "train.steps=6", "log.profile=(3,4)")
    (trace,) = (tmp_path / "run" / "profile").rglob("*.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert sum("jit_step" in str(event.get("name")) or "PjitFunction(step)" in str(event) for event in events) >= 2


@pytest.mark.parametrize("steps", ["(3,)", "(4,3)", "(0,3)", "('a',3)"])
def test_what_is_no_pair_of_steps_is_refused(steps, tmp_path, run):
    with pytest.raises(InputError, match="is not a first and a last step"):
        run(tmp_path / "run", f"log.profile={steps}")


def test_goodput_counts_the_steps_of_all_starts_and_all_the_time_between(tmp_path, monkeypatch):
    assert goodput(tmp_path) is None
    (tmp_path / "environment.json").write_text(json.dumps([{"time": 1000.0}, {"time": 1300.0}]))
    lines = [{"step": 1, "seconds_to_first_step": 9.0}]
    lines += [{"step": step, "steps": 10, "step_seconds": 2.0} for step in (10, 20, 30)]
    (tmp_path / "speed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr("time.time", lambda: 1400.0)
    found = goodput(tmp_path)
    assert found == Goodput(seconds=60.0, total=400.0, starts=2)
    assert found.told() == "15% of 6.7 minutes went into steps (started 2 times)"
