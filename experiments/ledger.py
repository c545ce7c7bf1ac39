"""Prints every record, and keeps the pages that quote them.

python -m experiments.ledger           the table of all records
python -m experiments.ledger --write   makes the marked tables of all pages anew
python -m experiments.ledger --check   exits with 1 and names the pages that differ from their records, and numbers in
                                       their prose that are in none
python -m experiments.ledger --recheck=quickstart/short.validation.loss [--seeds=0,1] [--tolerance=0.01]
                                       measures that record again; exits with 1 if a seed's score has drifted
"""

import argparse
import sys
from pathlib import Path

from errors import InputError, told_status
from experiments.machine import ROOT
from experiments.pages import page_files, regenerated
from experiments.quoted import quoting_pages, undeclared
from experiments.recheck import find, measured_again
from experiments.record import read_records
from experiments.table import records_table


def write_pages(root: Path = ROOT) -> list[Path]:
    """Makes all pages anew; returns those that changed."""
    fresh = {page: regenerated(page, root=root) for page in page_files(root)}  # all of them before any is touched
    changed = [page for page, text in fresh.items() if text != page.read_text(encoding="utf-8")]
    for page in changed:
        page.write_text(fresh[page], encoding="utf-8")
    return changed


def stale_pages(root: Path = ROOT) -> list[Path]:
    """The pages that quote something else than was measured."""
    return [page for page in page_files(root) if regenerated(page, root=root) != page.read_text(encoding="utf-8")]


def recheck(name: str, *, seeds: str, tolerance: float, root: Path = ROOT) -> int:
    record = find(read_records(root / "experiments"), name)
    try:
        chosen = [int(seed) for seed in seeds.split(",") if seed]
    except ValueError as error:
        raise InputError(f"--seeds={seeds} should be numbers with commas between, as in 0,1") from error
    hours = record.wall_seconds / 3600 / len(record.seeds)
    told = ", ".join(map(str, chosen or record.seeds))
    print(f"{name}: seeds {told}; training took {hours:.2f} hours each on {record.device.cpu}", flush=True)
    held = True
    for again in measured_again(record, seeds=chosen, tolerance=tolerance, root=root):
        print(again, flush=True)
        held &= again.holds
    return 0 if held else 1


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="make the marked tables of all pages anew")
    action.add_argument("--check", action="store_true", help="exit with 1 if a page differs from its records")
    action.add_argument("--recheck", metavar="STUDY/NAME.SPLIT.METRIC", help="train and evaluate that record again")
    parser.add_argument(
        "--seeds", default="", help="of --recheck: some of the recorded ones, with commas (default: all)"
    )
    parser.add_argument("--tolerance", type=float, default=0.01, help="of --recheck: relative (default: 0.01)")
    given = parser.parse_args(arguments)
    return told_status(lambda: _done(given, root))


def _done(given: argparse.Namespace, root: Path) -> int:
    if given.recheck:
        return recheck(given.recheck, seeds=given.seeds, tolerance=given.tolerance, root=root)
    if given.write:
        for page in write_pages(root):
            print(f"{page.relative_to(root)} written")
    elif given.check:
        again = "differs from its records; run python -m experiments.ledger --write"
        wrong = [f"{page.relative_to(root)} {again}" for page in stale_pages(root)]
        wrong += [sentence for page in quoting_pages(root) for sentence in undeclared(page, root=root)]
        print(*wrong, sep="\n", end="\n" if wrong else "")
        return int(bool(wrong))
    else:
        print(records_table(read_records(root / "experiments")), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
