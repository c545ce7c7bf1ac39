"""Time and memory of the attention alone against the length: ours, transformers' and dense.

    python -m experiments.attention.scaling --out=experiments/attention/results/scaling.json

Forward and backward, float32, one row, 12 heads of 64, one-sided window 256. Peers take turns at each length. Memory
is what the compiler plans beside arguments and results (JAX), and the peak of the peer's process (all). A peer leaves
when, by the figures of the shorter length, a step would take over a minute or more than 8 GiB.
"""

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.attention.cases import OURS, Case
from experiments.attention.jax_peers import JaxPeer
from experiments.attention.turns import PeerWorker, take_turns
from experiments.speed.encoder import PACKAGES

LENGTHS = tuple(1024 * 2**n for n in range(7))
MOST_SECONDS, MOST_MIB = 60, 8 * 1024
GROWTH = {OURS: 2, "transformers": 2, "dense": 4}  # of the time, from a length to its double


def measure(length: int, peers: tuple[str, ...], rounds: int) -> dict[str, Any]:
    case = Case(f"1x{length}", length, peers)
    starts = {name: partial(PeerWorker, case, name) for name in peers}
    results = take_turns(starts, dict.fromkeys(peers, ("step",)), rounds=rounds, warm_up=1)
    for name in results.keys() & {OURS, "dense"}:
        results[name].pop("values", None)
    planned = {name: JaxPeer(case, name).memory()["temporary_bytes"] for name in (OURS, "dense")}
    return {"length": length, "results": results, "temporary_bytes": planned}


def staying(case: dict[str, Any]) -> tuple[str, ...]:
    """The peers that can be expected to do twice the length."""
    stay = []
    for name, result in case["results"].items():
        if "error" in result:
            continue
        longer = statistics.median(result["seconds"]["step"]) * GROWTH[name]
        if longer < MOST_SECONDS and result["peak_mib"] * GROWTH[name] < MOST_MIB:
            stay.append(name)
    return tuple(stay)


def lines(report: dict[str, Any], kind: str) -> dict[str, list[tuple[int, float]]]:
    """(tokens, seconds or MiB) of each line of a plot."""
    drawn: dict[str, list[tuple[int, float]]] = {}
    for case in report["cases"]:
        for name, result in case["results"].items():
            if "seconds" in result:
                value = statistics.median(result["seconds"]["step"]) if kind == "time" else result["peak_mib"]
                label = name if kind == "time" else f"{name}: peak of the process"
                drawn.setdefault(label, []).append((case["length"], value))
        if kind == "memory":
            for name, size in case["temporary_bytes"].items():
                drawn.setdefault(f"{name}: compiler's plan", []).append((case["length"], size / 2**20))
    return drawn


def draw(report: dict[str, Any], folder: Path) -> None:
    """time.png and memory.png: a line for each peer, both axes logarithmic."""
    from matplotlib.figure import Figure

    for kind, unit in (("time", "seconds"), ("memory", "MiB")):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for name, line in lines(report, kind).items():
            axes.plot(*zip(*line, strict=True), marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel=unit)
        axes.set_title("attention, forward + backward, 12 heads of 64, window 256")
        axes.set_xticks(LENGTHS, [f"{length // 1024}k" for length in LENGTHS], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(folder / f"{kind}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write; the plots go two folders up from it")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per length, after the warm-up")
    parser.add_argument("--longest", type=int, default=LENGTHS[-1], help="tokens")
    given = parser.parse_args()
    cases: list[dict[str, Any]] = []
    report = machine.provenance("python -m experiments.attention.scaling", PACKAGES) | {"cases": cases}
    peers = tuple(GROWTH)
    for length in (each for each in LENGTHS if each <= given.longest):
        cases.append(measure(length, peers, given.rounds))
        for result in cases[-1]["results"].values():
            result.pop("values", None)
        peers = staying(cases[-1])
        print(length, {n: r.get("seconds") or r for n, r in cases[-1]["results"].items()}, file=sys.stderr)
        if given.out:
            machine.write_results(given.out, report)  # after each, so that none is lost
    if given.out:
        draw(report, given.out.parents[1])


if __name__ == "__main__":
    main()
