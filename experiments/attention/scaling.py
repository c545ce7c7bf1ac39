"""Time and memory of the attention alone against the length: ours, transformers' and dense.

    python -m experiments.attention.scaling --out=experiments/attention/results/scaling.json

Forward and backward, float32, one row, 12 heads of 64, one-sided window 256. Peers take turns at each length. Memory
is the peak of the peer's process, and of JAX's two what the compiler plans beside arguments and results, which needs no
run and so goes on to the last length. A peer leaves when, by the figures of the shorter length, a step would take over
a minute or its process more than 8 GiB.
"""

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax

from experiments import machine
from experiments.attention.cases import OURS, Case
from experiments.attention.jax_peers import planned_bytes
from experiments.attention.turns import PeerWorker, take_turns
from experiments.speed.encoder import PACKAGES
from whole_files import write_json

LENGTHS = tuple(1024 * 2**n for n in range(7))
MOST_SECONDS, MOST_MIB = 60, 8 * 1024
DENSE = "dense"
GROWTH = {OURS: 2, "transformers": 2, DENSE: 4}  # of time and memory, from a length to its double
COLOURS = {OURS: "tab:blue", "transformers": "tab:orange", DENSE: "tab:green"}


def measure(length: int, peers: tuple[str, ...], rounds: int) -> dict[str, Any]:
    case = Case(f"1x{length}", length, peers)
    starts = {name: partial(PeerWorker, case, name) for name in peers}
    results = take_turns(starts, dict.fromkeys(peers, ("step",)), rounds=rounds, warm_up=1)
    for result in results.values():
        result.pop("values", None)
    return {"length": length, "results": results, "temporary_bytes": {p: planned_bytes(case, p) for p in (OURS, DENSE)}}


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


def lines(report: dict[str, Any], kind: str) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(tokens, seconds or MiB) of each line of a plot, by the peer and what of it is drawn."""
    drawn: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for case in report["cases"]:
        for name, result in case["results"].items():
            if "seconds" in result:
                value = statistics.median(result["seconds"]["step"]) if kind == "time" else result["peak_mib"]
                drawn.setdefault((name, "step" if kind == "time" else "process"), []).append((case["length"], value))
        if kind == "memory":
            for name, size in case["temporary_bytes"].items():
                drawn.setdefault((name, "planned"), []).append((case["length"], size / 2**20))
    return drawn


def draw(report: dict[str, Any], folder: Path) -> None:
    """time.png and memory.png: lines of each peer, both axes logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    folder.mkdir(parents=True, exist_ok=True)
    lengths = [case["length"] for case in report["cases"]]
    for kind, base, told in (("time", 10, seconds_told), ("memory", 2, mebibytes_told)):
        figure = Figure(figsize=(7, 5), layout="constrained")
        axes = figure.subplots()
        for (peer, what), line in lines(report, kind).items():
            style = {"linestyle": "--", "marker": "s", "markersize": 4} if what == "planned" else {"marker": "o"}
            label = peer if kind == "time" else f"{peer}: {what}"
            axes.plot(*zip(*line, strict=True), color=COLOURS[peer], label=label, **style)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=base)
        axes.set_xticks(lengths, [f"{length // 1024}k" for length in lengths])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(told))
        axes.set(xlabel="tokens in the row", ylabel=kind)
        axes.set_title("attention alone, forward and backward: 12 heads of 64, window 256", fontsize="medium")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
        figure.savefig(folder / f"{kind}.png", dpi=120)


def seconds_told(seconds: float, _: int) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{1000 * seconds:g} ms"


def mebibytes_told(size: float, _: int) -> str:
    return f"{size / 2**20:g} TiB" if size >= 2**20 else f"{size / 2**10:g} GiB" if size >= 2**10 else f"{size:g} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write; the plots go two folders up from it")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per length, after the warm-up")
    parser.add_argument("--longest", type=int, default=LENGTHS[-1], help="tokens")
    given = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")  # the plans are this process's, and all peers are on the processor
    cases: list[dict[str, Any]] = []
    report = machine.provenance("python -m experiments.attention.scaling", PACKAGES) | {"cases": cases}
    peers = tuple(GROWTH)
    for length in (each for each in LENGTHS if each <= given.longest):
        cases.append(measure(length, peers, given.rounds))
        peers = staying(cases[-1])
        print(length, {n: r.get("seconds") or r for n, r in cases[-1]["results"].items()}, file=sys.stderr)
        if given.out:
            write_json(given.out, report)  # after each, so that none is lost
    if given.out:
        draw(report, given.out.parents[1])


if __name__ == "__main__":
    main()
