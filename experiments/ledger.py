"""Prints every record, and keeps the pages that quote them.

python -m experiments.ledger           the table of all records
python -m experiments.ledger --write   makes the marked tables of all pages anew
python -m experiments.ledger --check   exits with 1 and names the pages that differ from their records
"""

import argparse
import sys
from pathlib import Path

from errors import InputError
from experiments.machine import ROOT
from experiments.pages import page_files, regenerated
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


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="make the marked tables of all pages anew")
    action.add_argument("--check", action="store_true", help="exit with 1 if a page differs from its records")
    given = parser.parse_args(arguments)
    try:
        if given.write:
            for page in write_pages(root):
                print(f"{page.relative_to(root)} written")
            return 0
        if given.check:
            stale = stale_pages(root)
            for page in stale:
                print(f"{page.relative_to(root)} differs from its records; run python -m experiments.ledger --write")
            return 1 if stale else 0
        print(records_table(read_records(root / "experiments")), end="")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
