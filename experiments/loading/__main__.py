"""Times loading and saving a model of RoBERTa-base's sizes here and in transformers; writes results/load.json.

    python -m experiments.loading --rounds=7 && python -m experiments.ledger --write

Random weights are written into a temporary directory in every form of `cases.py`. Every measurement is a fresh process;
in each round each peer takes its turn with each form, so that whatever else the machine does meets all of them alike,
and ratios are formed within a round. A first round, not counted, leaves the files in the page cache. `--smoke` does one
round with a small model. Needs PyTorch and transformers (requirements-dev.txt). Let nothing else run meanwhile.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from experiments import machine
from experiments.loading.cases import FORMS, OURS, PEERS, SAVE, SHARD_BYTES, SIZES, SMALL
from experiments.loading.page import TABLES
from whole_files import write_json

OUT = machine.ROOT / "experiments" / "loading" / "results" / "load.json"
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "safetensors", "torch", "transformers")
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "TOKENIZERS_PARALLELISM": "false"}


def make_directories(root: Path, sizes: dict[str, Any]) -> dict[str, Path]:
    """One for each form, all with the same weights."""
    import torch
    from flax import nnx
    from safetensors.numpy import load_file, save_file

    import pretrained
    from models import MaskedLM, Transformer, TransformerConfig

    model = MaskedLM(Transformer(TransformerConfig(**sizes), rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    one, shards, half, pickle = (root / form.replace(" ", "_") for form in FORMS)
    pretrained.save(model, one)
    pretrained.save(model, shards, shard_bytes=SHARD_BYTES)
    weights = load_file(one / "model.safetensors")
    for directory in (half, pickle):
        directory.mkdir()
        shutil.copy(one / "config.json", directory)
    save_file({name: w.astype("float16") for name, w in weights.items()}, half / "model.safetensors", {"format": "pt"})
    torch.save({name: torch.from_numpy(w) for name, w in weights.items()}, pickle / "pytorch_model.bin")
    return dict(zip(FORMS, (one, shards, half, pickle), strict=True))


def one_turn(peer: str, case: str, directory: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "experiments.loading.worker", peer, case, str(directory)]
    done = subprocess.run(
        words, cwd=machine.ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{peer}, {case}: {done.stderr.strip()[-1000:]}")
    return json.loads(done.stdout)


def measure(sizes: dict[str, Any], rounds: int, only: tuple[str, ...]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By case and peer, what each round told."""
    turns: dict[str, dict[str, list[dict[str, Any]]]] = {case: {peer: [] for peer in PEERS} for case in only}
    with tempfile.TemporaryDirectory() as root:
        directories = make_directories(Path(root), sizes)
        directories[SAVE] = directories[FORMS[0]]
        for round_ in range(-1, rounds):
            for case, peers in turns.items():
                for peer, told in peers.items():
                    if case == SAVE and peer not in PEERS[:2]:
                        continue
                    answer = one_turn(peer, case, directories[case])
                    print(round_, case, peer, f"{answer['seconds']:.2f} s", file=sys.stderr, flush=True)
                    if round_ >= 0:
                        told.append(answer)
    counts = {told["parameters"] for peers in turns.values() for rounds in peers.values() for told in rounds}
    if len(counts) != 1:
        raise RuntimeError(f"the peers do not hold the same model: {counts} parameters")
    return {case: {peer: told for peer, told in peers.items() if told} for case, peers in turns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.loading", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=7, help="turns that count")
    parser.add_argument("--only", default=",".join((*FORMS, SAVE)), help="cases, with commas between them")
    parser.add_argument("--smoke", action="store_true", help="one round with a small model; writes nothing")
    given = parser.parse_args()
    report = machine.provenance("python -m experiments.loading", PACKAGES)
    cases = tuple(given.only.split(","))
    report["cases"] = measure(SMALL if given.smoke else SIZES, 1 if given.smoke else given.rounds, cases)
    report["parameters"] = next(iter(report["cases"].values()))[OURS][0]["parameters"]
    if not given.smoke:
        write_json(given.out, report)
    print(TABLES["load"](report))


if __name__ == "__main__":
    main()
